// Moves the focus from epoch to epoch in a chart by arrow key. The page says all there is to say without it.
for (const chart of document.querySelectorAll("svg.chart")) {
  const epochs = [...chart.querySelectorAll(".e")];
  chart.addEventListener("keydown", (event) => {
    const at = epochs.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: epochs.length - 1 }[event.key];
    if (at < 0 || !epochs[to]) return;
    epochs[at].tabIndex = -1;
    epochs[to].tabIndex = 0;
    epochs[to].focus();
    event.preventDefault();
  });
}
