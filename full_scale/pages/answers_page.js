"use strict";
const [outcome, category, search, shown] = ["outcome", "category", "search", "shown"].map((id) => document.getElementById(id));
const cards = [...document.querySelectorAll("article")].map((card) => ({ card, text: card.textContent.toLowerCase() }));
function update() {
  const wanted = search.value.toLowerCase();
  let count = 0;
  for (const { card, text } of cards) {
    const verdict = !outcome.value || (outcome.value === "differs" ? "differs" in card.dataset : card.dataset.outcome === outcome.value);
    card.hidden = !(verdict && (!category.value || card.dataset.category === category.value) && text.includes(wanted));
    count += !card.hidden;
  }
  shown.textContent = `${count} of ${cards.length} shown`;
}
for (const control of [outcome, category, search]) control.addEventListener("input", update);
update();
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
