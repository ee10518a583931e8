
// An arrow and its row are lit together, by pointer and by keyboard. The page is whole without it.
"use strict";
const parts = new Map();
for (const part of document.querySelectorAll("[data-link]")) {
  const link = part.dataset.link;
  parts.set(link, [...(parts.get(link) ?? []), part]);
}
let lit = null;
function light(event) {
  const link = event.target.closest?.("[data-link]")?.dataset.link ?? null;
  if (link === lit) return;
  for (const part of parts.get(lit) ?? []) part.classList.remove("lit");
  for (const part of parts.get(link) ?? []) part.classList.add("lit");
  document.body.classList.toggle("lighting", link !== null);
  lit = link;
}
document.addEventListener("pointerover", light);
document.addEventListener("focusin", light);
document.addEventListener("focusout", () => light({ target: document.body }));
document.documentElement.addEventListener("pointerleave", () => light({ target: document.body }));
