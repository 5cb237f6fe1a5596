// Draws the figures of a page from the specifications in it. A figure that cannot be drawn keeps its picture.
(() => {
  "use strict";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (({ dark: true, light: false })[document.documentElement.dataset.theme] ?? system.matches);
  const makeConfig = (dark) => {
    const [ink, line, edge] = dark ? ["#e4e6ea", "#3a404a", "#7d8591"] : ["#222222", "#e6e6e6", "#888888"];
    const words = { labelColor: ink, titleColor: ink, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12 };
    return {
      background: null, font: 'system-ui, "Segoe UI", Arial, "DejaVu Sans", sans-serif', view: { stroke: null },
      title: { color: ink, fontSize: 12, anchor: "start", frame: "group" }, axisY: { minExtent: 32 },
      axis: { ...words, gridColor: line, domainColor: edge, tickColor: edge, labelSeparation: 8, labelOverlap: "greedy" },
    };
  };
  const make = (name, attributes, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const startChart = (figure) => {
    const [live, key, picture] = ["live", "key", "static"].map((part) => figure.querySelector(`.chart-${part}`));
    const text = figure.querySelector(".chart-spec").textContent;
    const hidden = new Set();
    let view = null, width = 0, drawings = 0, pause = 0;
    const readSpec = () => {
      const whole = isDark() ? Object.entries(JSON.parse(text).usermeta.dark) : [];
      const spec = JSON.parse(whole.reduce((content, [from, to]) => content.replaceAll(`"${from}"`, `"${to}"`), text));
      if (spec.concat) {  // panels know no "container": as many columns as fit, each panel as wide as its share
        spec.columns = Math.max(1, Math.min(spec.usermeta.columns, Math.floor(width / 290)));
        for (const panel of spec.concat) panel.width = Math.max(120, Math.floor((width + 20) / spec.columns) - 66);
      }
      for (const one of spec.params || []) if (one.name === "hidden") one.value = [...hidden];
      return spec;
    };
    const tell = (name, value) => view && figure.dataset.answers && view.signal(name) !== value && view.signal(name, value).runAsync();
    const showSwitches = () => {
      key.querySelectorAll("[aria-pressed]").forEach((button) => { button.ariaPressed = button.places.some((place) => !hidden.has(place)); });
      tell("hidden", [...hidden]);
    };
    const addButton = (row, places, title, label, every) => {
      const button = make("button", { type: "button", "aria-pressed": "true", title });
      button.places = places;
      button.append(...label);
      button.addEventListener("click", (event) => {
        const off = places.every((place) => hidden.has(place));
        if (event.shiftKey) every.forEach((place) => hidden.add(place));
        places.forEach((place) => (off || event.shiftKey ? hidden.delete(place) : hidden.add(place)));
        showSwitches();
      });
      const one = places.length > 1 ? -1 : places[0];
      for (const [type, place] of Object.entries({ pointerenter: one, focus: one, pointerleave: -1, blur: -1 }))
        button.addEventListener(type, () => tell("focus", place));
      row.append(button);
    };
    const drawSign = ({ colour, dash, path }) => {
      const sign = make("span", { class: "chart-sign", "aria-hidden": "true" });
      const line = dash ? `<path d="M0 6H30" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(" ")}"/>` : "";
      const mark = path ? `<path d="${path}" transform="translate(15 6) scale(4)" fill="${colour}"/>` : "";
      sign.innerHTML = `<svg width="30" height="12" focusable="false">${line}${mark}</svg>`;
      return sign;
    };
    const fillKey = (series) => {
      key.replaceChildren();
      key.hidden = !series.length;
      const every = series.map((one) => one.b), answers = figure.dataset.answers;
      for (const group of new Set(series.map((one) => one.group))) {
        const row = make("span", { class: "chart-row" }), own = series.filter((one) => one.group === group);
        if (!answers) own.forEach((one) => row.append(drawSign(one), one.label));
        else if (own.length > 1 && own.length < series.length)
          addButton(row, own.map((one) => one.b), `All of ${group}`, [make("b", {}, group)], every);
        else if (group) row.append(make("b", {}, group));
        if (answers) for (const one of own) addButton(row, [one.b], one.note || one.title, [drawSign(one), one.label], every);
        key.append(row);
      }
      if (answers) key.append(make("button", { type: "button" }, "Show all"));
      if (answers) key.lastChild.addEventListener("click", () => { hidden.clear(); draw(); });
    };
    const draw = async () => {
      const mine = ++drawings, target = make("div", { style: "width: 100%" });
      live.hidden = false;
      live.append(target);
      width = live.clientWidth;
      try {
        // "ast": expressions are interpreted, not compiled: a page that forbids eval may have them.
        const tooltip = { theme: isDark() ? "dark" : "light" }, config = makeConfig(isDark()), spec = readSpec();
        const made = await window.vegaEmbed(target, spec, { mode: "vega-lite", renderer: "svg", actions: false, ast: true, config, tooltip });
        if (mine !== drawings) return made.finalize(), target.remove();
        view?.finalize();
        view = made.view;
        live.replaceChildren(target);
        if ((spec.params || []).some((one) => one.name === "focus")) figure.dataset.answers = "yes";
        view.addEventListener("pointerover", (_, item) => tell("focus", item && item.datum && Number.isInteger(item.datum.b) ? item.datum.b : -1));
        fillKey(spec.usermeta.series || []);
        showSwitches();
        picture.hidden = true;
        figure.dataset.drawn = "yes";
      } catch (error) {
        live.hidden = key.hidden = !(picture.hidden = false);
        console.error(`${figure.id}: not drawn, its picture stays (${error.message})`);
      }
    };
    new ResizeObserver(() => {
      clearTimeout(pause);
      if (view && live.clientWidth && Math.abs(live.clientWidth - width) >= 12) pause = setTimeout(draw, 150);
    }).observe(figure);
    Object.assign(figure, { drawChart: draw, drawAgain: () => view && draw() });
  };

  const figures = [...document.querySelectorAll("figure.chart")];
  const near = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    near.unobserve(target);
    target.drawChart();
  }), { rootMargin: "300px" });
  figures.forEach((figure) => { startChart(figure); near.observe(figure); });
  const drawAll = () => figures.forEach((figure) => figure.drawAgain());
  system.addEventListener("change", drawAll);
  new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
