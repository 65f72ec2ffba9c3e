document.addEventListener("DOMContentLoaded", () => {
  // Each cell of a table learns its column's name, which a phone shows beside it (site.css).
  for (const table of document.querySelectorAll("table.docutils")) {
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, place) => cell.setAttribute("data-label", names[place] ?? ""));
    }
  }
  // What a cell prints in sentences is wrapped; in columns it is not.
  for (const output of document.querySelectorAll(".cell_output pre")) {
    output.classList.toggle("sentences", !/\S {2,}\S/.test(output.textContent));
  }
});
