// What the page does beyond showing: colours, contents, tables, search, explained words, copying.
(function () {
  "use strict";
  const root = document.documentElement;
  const all = (query, inside) => [...(inside || document).querySelectorAll(query)];
  const make = (tag, options) => Object.assign(document.createElement(tag), options || {});
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const LEAST_ROWS_TO_FILTER = 10;
  const MOST_CHOICES = 16;

  // Colours. Charts listen to `retu-theme`.
  function isDark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function showTheme() {
    for (const button of all("[data-theme-choice]"))
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (root.dataset.theme || "auto")));
    document.dispatchEvent(new CustomEvent("retu-theme", { detail: { dark: isDark() } }));
  }
  for (const button of all("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      const choice = button.dataset.themeChoice;
      if (choice === "auto") delete root.dataset.theme; else root.dataset.theme = choice;
      try { localStorage.setItem("retu-theme", choice); } catch (error) { button.title = "not remembered: " + error.name; }
      showTheme();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  showTheme();

  // Contents: what is in view is marked.
  const contents = document.querySelector(".contents");
  const links = new Map();
  for (const link of all("a", contents)) {
    const section = document.getElementById(link.hash.slice(1));
    if (section) links.set(section, link);
  }
  if (matchMedia("(max-width: 64rem)").matches) contents.open = false;
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target).classList.toggle("here", entry.isIntersecting);
  }, { rootMargin: "-15% 0px -60% 0px" });
  for (const section of links.keys()) watcher.observe(section);

  // Details: opened for what is linked to, and for paper.
  function reveal(element) {
    for (let up = element; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    element.scrollIntoView({ block: "start" });
  }
  function followHash() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) reveal(target);
  }
  addEventListener("hashchange", followHash);
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));

  // Tables.
  function readNumber(text) {
    const plain = text.replace(/\u2212/g, "-").replace(/(\d),(?=\d{3})/g, "$1").replace(/^[[(]/, "");
    const found = plain.match(/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i);
    return found ? Number(found[0]) : null;
  }
  function compareCells(one, two, numeric) {
    if (!numeric) return collator.compare(one, two);
    return readNumber(one) - readNumber(two);
  }
  function isMissing(text, numeric) { return text === "\u2013" || text === "" || (numeric && readNumber(text) === null); }
  function sortRows(table, column, falling) {
    const body = table.tBodies[0];
    const numeric = table.tHead.rows[0].cells[column].classList.contains("n");
    const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
    const known = rows.filter(([text]) => !isMissing(text, numeric));
    const missing = rows.filter(([text]) => isMissing(text, numeric));
    known.sort(([one], [two]) => (falling ? -1 : 1) * compareCells(one, two, numeric));
    body.append(...[...known, ...missing].map(([, row]) => row));
    for (const row of body.rows) row.classList.remove("group");
  }
  function addSorting(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const name = head.textContent.trim();
      const button = make("button", { type: "button", className: "sort", textContent: "\u21c5" });
      button.setAttribute("aria-label", "Sort by " + name);
      head.append("\u00a0", button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => { other.removeAttribute("aria-sort"); other.querySelector(".sort").textContent = "\u21c5"; });
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        button.textContent = falling ? "\u2193" : "\u2191";
        sortRows(table, column, falling);
      });
    });
  }
  function listChoices(table, column) {
    if (table.tHead.rows[0].cells[column].classList.contains("n")) return [];
    const texts = new Set([...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim()));
    const few = texts.size > 1 && texts.size <= Math.min(MOST_CHOICES, table.tBodies[0].rows.length / 2);
    return few ? [...texts].sort(collator.compare) : [];
  }
  /** What a row says, its cells apart, in small letters. */
  function readRow(row) {
    return [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
  }

  function addFilters(box, table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < LEAST_ROWS_TO_FILTER) return;
    const label = table.getAttribute("aria-label");
    const tools = make("div", { className: "tools" });
    const input = make("input", { type: "search", placeholder: "Search the table" });
    input.setAttribute("aria-label", "Search " + label);
    const count = make("span", { className: "count" });
    count.setAttribute("aria-live", "polite");
    const texts = new Map(rows.map((row) => [row, readRow(row)]));
    const selects = [];
    function apply() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const fits = words.every((word) => texts.get(row).includes(word))
          && selects.every(([select, column]) => !select.value || row.cells[column].textContent.trim() === select.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = shown + " of " + rows.length + " rows";
      measure(box);
    }
    tools.append(input);
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const choices = listChoices(table, column);
      if (!choices.length) return;
      const name = head.dataset.name;
      const select = make("select");
      select.setAttribute("aria-label", "Filter " + label + " by " + name);
      select.append(new Option(name + ": all", ""), ...choices.map((text) => new Option(text, text)));
      select.addEventListener("change", apply);
      selects.push([select, column]);
      tools.append(select);
    });
    input.addEventListener("input", apply);
    tools.append(count);
    box.insertBefore(tools, box.querySelector(".hint"));
    box.filterRows = (text) => { input.value = text; selects.forEach(([select]) => { select.value = ""; }); apply(); };
    count.textContent = rows.length + " rows";
  }
  // The columns that name a row stay in view together, as far as they leave room for the others.
  function pinKeys(table) {
    const scroll = table.parentElement;
    const keys = Number(table.dataset.keys);
    const heads = [...table.tHead.rows[0].cells];
    let left = 0;
    for (let column = 0; column < keys; column++) {
      const width = heads[column].getBoundingClientRect().width;
      const fits = column === 0 || left + width < 0.45 * scroll.clientWidth;
      if (column > 0)
        for (const row of [table.tHead.rows[0], ...table.tBodies[0].rows]) {
          row.cells[column].classList.toggle("key", fits);
          row.cells[column].style.left = fits ? left + "px" : "";
        }
      if (!fits) break;
      left += width;
    }
  }
  function measure(box) {
    const scroll = box.querySelector(".scroll, .shot");
    if (!scroll || !scroll.clientWidth) return;
    const table = scroll.querySelector("table");
    if (table && Number(table.dataset.keys) > 1) pinKeys(table);
    const over = scroll.scrollWidth - scroll.clientWidth;
    box.classList.toggle("wide", over > 1);
    box.classList.toggle("more", over - scroll.scrollLeft > 1);
  }
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => measure(entry.target.parentElement)));
  for (const box of all(".table")) {
    const table = box.querySelector("table");
    for (const head of table.tHead.rows[0].cells) head.dataset.name = head.textContent.trim();
    addFilters(box, table);
    if (table.tBodies[0].rows.length > 1) addSorting(table);
  }
  for (const scroll of all(".scroll, .shot")) {
    sizes.observe(scroll);
    scroll.addEventListener("scroll", () => measure(scroll.parentElement), { passive: true });
  }

  // Search over the page: cards that have the words, and the rows of their tables.
  const find = document.getElementById("find");
  const found = document.querySelector(".found");
  const has = (text, words) => words.every((word) => text.includes(word));
  function listHits(words) {
    const hits = [];
    for (const [section, link] of links) {
      for (const box of all(".table", section)) {
        const rows = [...box.querySelector("table").tBodies[0].rows];
        const count = rows.filter((row) => has(readRow(row), words)).length;
        if (count) hits.push([box.querySelector("table").getAttribute("aria-label"), count + (count === 1 ? " row" : " rows"), box]);
      }
      const prose = all("h2, .line, .evidence, .note, figcaption, dd", section);
      if (prose.some((one) => has(one.textContent.toLowerCase(), words))) hits.push([link.textContent, "text", section]);
    }
    return hits;
  }
  function search() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.replaceChildren();
    if (!words.length) return;
    const hits = listHits(words);
    for (const [name, count, place] of hits) {
      const button = make("button", { type: "button" });
      button.append(make("span", { textContent: name }), make("span", { textContent: count }));
      button.addEventListener("click", () => {
        if (place.filterRows) place.filterRows(find.value);
        reveal(place);
        found.replaceChildren();
      });
      const item = make("li");
      item.append(button);
      found.append(item);
    }
    if (!hits.length) {
      const item = make("li");
      item.append(make("span", { textContent: "Nothing has these words." }));
      found.append(item);
    }
  }
  find.addEventListener("input", search);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); find.focus(); }
    if (event.key === "Escape") { found.replaceChildren(); hideTip(); }
  });
  addEventListener("click", (event) => { if (!event.target.closest(".find")) found.replaceChildren(); });

  // Explained words.
  const tip = make("div", { id: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  function showTip(word) {
    tip.textContent = word.dataset.tip;
    tip.hidden = false;
    word.setAttribute("aria-describedby", "tip");
    const at = word.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const below = at.bottom + 8 + size.height < innerHeight;
    tip.style.top = (below ? at.bottom + 8 : Math.max(4, at.top - 8 - size.height)) + "px";
    tip.style.left = Math.max(4, Math.min(at.left, innerWidth - size.width - 8)) + "px";
  }
  function hideTip() {
    tip.hidden = true;
    all("[aria-describedby=tip]").forEach((word) => word.removeAttribute("aria-describedby"));
  }
  for (const word of all("dfn[title]")) {
    word.dataset.tip = word.title;
    word.removeAttribute("title");
    word.addEventListener("mouseenter", () => showTip(word));
    word.addEventListener("focus", () => showTip(word));
    word.addEventListener("mouseleave", hideTip);
    word.addEventListener("blur", hideTip);
  }
  addEventListener("scroll", hideTip, { passive: true, capture: true });

  // Commands are copied by a button behind each.
  for (const code of all("code.run")) {
    const button = make("button", { type: "button", className: "copy", textContent: "copy" });
    button.setAttribute("aria-label", "Copy " + code.textContent);
    code.after(button);
  }
  addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest(".copy");
    if (!button) return;
    let done = "copied";
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    } catch (error) {
      getSelection().selectAllChildren(button.previousElementSibling);
      done = "marked: copy it with your keys";
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });

  // The figure as it stands on paper, in the place of the one that answers.
  for (const figure of all("figure.chart")) {
    const button = make("button", { type: "button", className: "paper", textContent: "Figure as on paper" });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const paper = figure.classList.toggle("as-paper");
      button.setAttribute("aria-pressed", String(paper));
    });
    figure.insertBefore(button, figure.querySelector("figcaption"));
  }
  followHash();
})();
