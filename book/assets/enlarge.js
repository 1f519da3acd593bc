// A figure is enlarged when it is pressed: the same picture in a dialog, which Escape closes.
{
  const make = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const place = make("div", { tabIndex: 0 }); // scrolls, by keyboard too
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", "The figure");
  const close = make("button", { type: "button", textContent: "Close", autofocus: true });
  const dialog = make("dialog", { className: "enlarged" }, close, place);
  dialog.setAttribute("aria-label", "Enlarged figure");
  document.body.append(dialog);

  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
  dialog.addEventListener("close", () => place.replaceChildren());

  for (const picture of document.querySelectorAll("article figure:not(.hero) :is(img, svg)")) {
    const frame = make("div", { className: "figure-frame" });
    const button = make("button", { type: "button", className: "enlarge", title: "Enlarge" });
    picture.replaceWith(frame);
    button.append(picture); // whose text names the button
    frame.append(button);
    button.addEventListener("click", () => {
      place.replaceChildren(picture.cloneNode(true));
      dialog.showModal();
    });
  }
}
