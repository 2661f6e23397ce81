// Says so when the sandbox no longer answers; the rest is htmx.
"use strict";

const lost = (now) => (document.getElementById("lost").hidden = !now);

for (const event of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(event, () => lost(true));
}
document.addEventListener("htmx:afterOnLoad", () => lost(false));
