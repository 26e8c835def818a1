// What scrolls sideways must be reachable with the keyboard, too.
function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .cell_output .text_html, .output pre, mjx-container[display], div.math")) {
    if (box.scrollWidth > box.clientWidth && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  }
}
addEventListener("load", () => { reachable(); setTimeout(reachable, 1500); });
addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);
