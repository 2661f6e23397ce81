// What a page without scripts cannot: files that are dropped, columns that are offered, copies.
"use strict";

const the = (id) => document.getElementById(id);

// -- samples --------------------------------------------------------------------------------------

const tell = (words) => {
  the("lost").textContent = words;
  the("lost").hidden = !words;
};

const take = async (files) => {
  tell("");
  document.body.classList.add("busy");
  try {
    for (const file of files) {
      const name = encodeURIComponent(file.name);
      const answer = await fetch(`sample?name=${name}`, { method: "PUT", body: file });
      if (!answer.ok) return tell(await answer.text());
    }
    location.reload();
  } catch {
    tell("The studio does not answer. Was it ended in its terminal?");
  } finally {
    document.body.classList.remove("busy");
  }
};

the("file").addEventListener("change", (event) => take([...event.target.files]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
});

// -- choices --------------------------------------------------------------------------------------

document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-choice]")) return;
  for (const option of document.querySelectorAll("[data-of]")) {
    if (option.dataset.of === target.name) option.hidden = option.dataset.option !== target.value;
  }
});

// -- columns: offered at the place of the caret, as the combobox pattern of ARIA has it ------------

const MOST = 12;
const offers = the("offers");
let field = null; // that is or was in use
let at = -1; // the offer that is marked

const isCombobox = (element) => element && element.matches("[role=combobox]");

// The part of a name before the caret: after a comma, a parenthesis or a blank.
const begun = (input) => {
  const before = input.value.slice(0, input.selectionStart);
  return before.match(/"?[^,()\s"']*$/)[0];
};

const close = () => {
  offers.hidden = true;
  at = -1;
  if (field) {
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }
};

const mark = (index) => {
  at = index;
  [...offers.children].forEach((offer, n) => {
    offer.setAttribute("aria-selected", String(n === at));
    if (n === at) {
      field.setAttribute("aria-activedescendant", offer.id);
      offer.scrollIntoView({ block: "nearest" });
    }
  });
};

const offer = (input) => {
  const part = begun(input).replace(/^"/, "").toLowerCase();
  const names = [...the("names").options].map((option) => option.value);
  const plain = (name) => name.replace(/^"/, "").toLowerCase();
  const first = names.filter((name) => plain(name).startsWith(part));
  const others = names.filter((name) => plain(name).includes(part, 1) && !first.includes(name));
  const found = [...first, ...others].slice(0, MOST);
  if (!found.length || (found.length === 1 && found[0] === input.value)) return close();
  offers.replaceChildren(
    ...found.map((name, n) => {
      const item = document.createElement("li");
      item.id = `offer-${n}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.textContent = name;
      return item;
    }),
  );
  input.closest(".field").append(offers);
  offers.style.top = `${input.offsetTop + input.offsetHeight + 2}px`;
  offers.hidden = false;
  input.setAttribute("aria-expanded", "true");
  at = -1;
};

const put = (input, text, start, end) => {
  input.setRangeText(text, start, end, "end");
  close();
  input.focus();
  input.dispatchEvent(new Event("input", { bubbles: true }));
};

const choose = (name) => {
  const caret = field.selectionStart;
  put(field, name, caret - begun(field).length, caret);
};

if (offers) {
  document.addEventListener("focusin", ({ target }) => {
    if (isCombobox(target)) field = target;
    else if (!offers.contains(target)) close();
  });
  document.addEventListener("input", (event) => {
    if (isCombobox(event.target) && event.isTrusted) offer(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!isCombobox(event.target)) return;
    const count = offers.children.length;
    if (event.key === "ArrowDown" && offers.hidden) offer(event.target);
    if (offers.hidden) return;
    if (event.key === "ArrowDown") mark((at + 1) % count);
    else if (event.key === "ArrowUp") mark((at + count - (at < 0 ? 0 : 1)) % count);
    else if (event.key === "Enter" && at >= 0) choose(offers.children[at].textContent);
    else if (event.key === "Escape" || event.key === "Tab") return close();
    else return;
    event.preventDefault();
  });
  // Before the field loses its focus.
  offers.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const item = event.target.closest("[role=option]");
    if (item) choose(item.textContent);
  });
}

document.addEventListener("click", ({ target }) => {
  const column = target.closest("[data-column]");
  if (column) {
    field = field && field.isConnected ? field : document.querySelector("[role=combobox]");
    const name = column.dataset.column;
    const adds = "many" in field.dataset && field.value.trim() && field.value.trim() !== "*";
    if (adds) put(field, `, ${name}`, field.value.length, field.value.length);
    else put(field, name, 0, field.value.length);
  }
  const copied = target.closest("[data-copy]");
  if (copied) {
    navigator.clipboard.writeText(copied.dataset.copy).then(() => {
      copied.textContent = "Copied";
      the("copied").textContent = "Copied";
      setTimeout(() => (copied.textContent = "Copy"), 1500);
    });
  }
});

// -- what comes back ------------------------------------------------------------------------------

document.addEventListener("htmx:afterSettle", () => {
  for (const problem of document.querySelectorAll(".problem")) {
    const input = the(problem.id.replace("problem-", "f-"));
    if (input) input.setAttribute("aria-invalid", String(Boolean(problem.textContent.trim())));
  }
});
for (const event of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(event, () =>
    tell("The studio does not answer. Was it ended in its terminal?"),
  );
}
document.addEventListener("htmx:afterOnLoad", () => tell(""));
