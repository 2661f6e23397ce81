// Says so when the stand-in no longer answers, and copies commands; the rest is htmx.
"use strict";

document.documentElement.classList.add("scripts");

const lost = (now) => {
  document.getElementById("lost").hidden = !now;
  document.documentElement.classList.toggle("lost", now);
};

for (const event of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(event, () => lost(true));
}
document.addEventListener("htmx:afterOnLoad", () => lost(false));

document.addEventListener("click", async ({ target }) => {
  const id = target.dataset.copies;
  if (!id) return;
  const copied = document.getElementById(id);
  try {
    await navigator.clipboard.writeText(copied.textContent);
    target.textContent = "Copied";
  } catch { // No clipboard: beyond this machine the page is not secure, or it was not allowed.
    getSelection().selectAllChildren(copied);
    target.textContent = "Selected";
  }
});
