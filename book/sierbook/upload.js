/**
 * A file for the kernel: chosen, dropped, or named by its path there. What came last counts, and is what the line tells.
 * Jupyter's connection breaks without a word when a message is too large, so the size is checked here.
 */

let count = 0;

function render({ model, el }) {
  const node = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const what = model.get("what"), id = `sier-upload-${++count}`;
  const chooser = node("input", { type: "file", accept: model.get("accept"), id: `${id}-file` });
  const path = node("input", { type: "text", id: `${id}-path`, spellcheck: "false", autocomplete: "off", size: 36 });
  const said = node("span", { role: "status" });
  const named = (of, text) => node("label", { for: of.id }, text);
  const row = node("div", {}, named(chooser, what), chooser, named(path, "or its path, where the kernel runs"), path);
  row.style.cssText = "display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; padding: 6px; margin: 2px;"
    + "border: 1px dashed var(--jp-border-color1, #8888); border-radius: 4px;";
  chooser.style.maxWidth = "100%";
  el.style.color = "var(--jp-widgets-label-color, inherit)";
  el.append(row, said);

  const take = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const nothing = () => new DataView(new ArrayBuffer(0));
  const choose = async (file) => {
    if (!file) return;
    const most = model.get("at_most"), mb = (bytes) => (bytes / 1e6).toFixed(1);
    if (file.size > most) {
      const problem = `${file.name} has ${mb(file.size)} MB, and Jupyter's connection carries ${mb(most)} MB at once: `
        + "give its path instead.";
      return take({ name: "", content: nothing(), path: "", problem });
    }
    take({ name: file.name, content: new DataView(await file.arrayBuffer()), path: "", problem: "" });
  };
  const show = () => {
    const name = model.get("name"), typed = model.get("path").trim();
    path.value = model.get("path");
    if (!name) chooser.value = ""; // or choosing the same file again would not be noticed
    said.textContent = model.get("problem")
      || (typed ? `${what}: the file at ${typed}` : name ? `${what}: ${name}, uploaded` : `${what}: none chosen yet`);
  };
  chooser.addEventListener("change", () => choose(chooser.files[0]));
  path.addEventListener("change", () => take({ name: "", content: nothing(), path: path.value, problem: "" }));
  for (const name of ["dragover", "drop"]) row.addEventListener(name, (event) => event.preventDefault());
  row.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));
  // Keys typed here are not JupyterLab's.
  row.dataset.lmSuppressShortcuts = "true";
  for (const name of ["name", "content", "path", "problem"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
