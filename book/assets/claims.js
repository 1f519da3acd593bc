// The ledger's menu: a pressed button shows the rows alone that have its chip, pressed again all of them;
// the order is that of the paper, table by table, or one table of all rows by verdict or deviation.
{
  const menu = document.querySelector(".claims-menu");
  const tables = [...document.querySelectorAll("table.claims-ledger")];
  const home = new Map(tables.flatMap((table) => [...table.tBodies[0].rows].map((row) => [row, table])));
  const rows = [...home.keys()];
  let shown = null; // a class of chips, or null for all

  const update = () => {
    for (const row of rows) row.hidden = shown !== null && !row.querySelector(`.${shown}`);
    for (const table of tables) table.hidden = [...table.tBodies[0].rows].every((row) => row.hidden);
  };

  const buttons = [...(menu?.querySelectorAll("button") ?? [])];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      shown = shown === button.dataset.shows ? null : button.dataset.shows;
      for (const each of buttons) each.setAttribute("aria-pressed", each.dataset.shows === shown);
      update();
    });
  }

  const verdicts = [...(menu?.querySelectorAll(".claims-bar button") ?? [])].map((part) => part.dataset.shows);
  const ranks = {
    place: () => 0,
    verdict: (row) => verdicts.findIndex((name) => row.querySelector(`.${name}`)),
    deviation: (row) => -(row.querySelector(".deviation")?.dataset.deviation ?? -1), // the largest first, none last
  };
  const captions = tables.map((table) => table.caption?.textContent ?? "");
  menu?.querySelector("select").addEventListener("change", (event) => {
    const order = event.target.value;
    const sorted = rows.toSorted((one, other) => ranks[order](one) - ranks[order](other));
    for (const row of sorted) (order === "place" ? home.get(row) : tables[0]).tBodies[0].append(row);
    const title = tables[0]?.caption?.querySelector(".caption-text");
    if (title) title.textContent = order === "place" ? captions[0].replace("#", "") : `All claims, by ${order}`;
    update();
  });
}
