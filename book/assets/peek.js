// What a link leads to, beside it on hover or focus: the title that the link brings.
{
  const box = document.createElement("div");
  box.id = "peek";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);

  const show = (link) => {
    // An equation is markup that the book's build wrote.
    if (link.dataset.peek.startsWith("<math")) box.innerHTML = link.dataset.peek;
    else box.textContent = link.dataset.peek;
    box.hidden = false;
    link.setAttribute("aria-describedby", box.id);
    // Below the link, inside the window.
    const around = link.getBoundingClientRect();
    const most = document.documentElement.clientWidth - box.offsetWidth - 8;
    box.style.left = `${scrollX + Math.max(8, Math.min(around.left, most))}px`;
    box.style.top = `${scrollY + around.bottom + 6}px`;
  };

  const hide = () => {
    document.querySelector("[aria-describedby=peek]")?.removeAttribute("aria-describedby");
    box.hidden = true;
  };

  for (const link of document.querySelectorAll("article a.reference[title]")) {
    link.dataset.peek = link.title;
    link.removeAttribute("title"); // or the browser would show it as well
    for (const event of ["mouseenter", "focus"]) link.addEventListener(event, () => show(link));
    for (const event of ["mouseleave", "blur"]) link.addEventListener(event, hide);
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}
