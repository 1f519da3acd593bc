// The ledger's bar of verdicts: a pressed part shows its rows alone, pressed again all of them.
{
  const parts = [...document.querySelectorAll(".claims-bar button")];
  const tables = [...document.querySelectorAll("table.claims-ledger")];

  for (const part of parts) {
    part.addEventListener("click", () => {
      const chosen = part.getAttribute("aria-pressed") === "true" ? null : part;
      for (const each of parts) each.setAttribute("aria-pressed", each === chosen);
      const name = chosen && `.${[...chosen.classList].find((given) => given.startsWith("verdict-"))}`;
      for (const table of tables) {
        const rows = [...table.tBodies[0].rows];
        for (const row of rows) row.hidden = chosen !== null && !row.querySelector(name);
        table.hidden = rows.every((row) => row.hidden);
      }
    });
  }
}
