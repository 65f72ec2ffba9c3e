// Each cell of a table learns its column's name, which a phone shows beside it (site.css).
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, place) => cell.setAttribute("data-label", names[place] ?? ""));
    }
  }
});
