// Before anything is drawn: the colours chosen last, and the mark that scripts run.
(function () {
  const root = document.documentElement;
  root.classList.add("scripted");
  let chosen = null;
  try { chosen = localStorage.getItem("retu-theme"); } catch (error) { chosen = null; }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
})();
