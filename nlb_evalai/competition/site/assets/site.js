/* Sorts, searches and filters tables that are complete without it. */
(function () {
  "use strict";
  const compare = (sign) => (a, b) => {
    const x = parseFloat(a), y = parseFloat(b);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  };
  // what has no number comes last, whichever way a column is sorted
  for (const type of ["score", "place"]) {
    DataTable.ext.type.order[type + "-asc"] = compare(1);
    DataTable.ext.type.order[type + "-desc"] = compare(-1);
  }
  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const tables = [...document.querySelectorAll("table.board")].map((table) => {
    const columns = [...table.tHead.rows[0].cells].map((cell) => {
      const type = cell.dataset.type;
      const first = type === "score" ? "desc" : "asc";
      return {
        type: type === "text" ? "string" : type,
        orderSequence: [first, first === "asc" ? "desc" : "asc"],
      };
    });
    return new DataTable(table, {
      columns, order: [], paging: false, info: false, autoWidth: false, orderClasses: false,
      layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    });
  });

  const place = document.querySelector("[data-controls]");
  if (!place || !tables.length) return;
  const rows = tables.flatMap((table) => table.rows().nodes().toArray());
  const count = element("output", { className: "count" });
  const say = () => {
    const shown = tables.map((table) => table.rows({ search: "applied" }).count());
    const all = tables.map((table) => table.rows().count());
    count.textContent = "Shown: " + shown.map((n, i) => n + " of " + all[i]).join(", ");
  };
  // what is shown stands in the address, so that it can be linked: #q=lab&kind=single&order0=2.desc
  const asked = new URLSearchParams(location.hash.slice(1));
  const keep = () => {
    const state = new URLSearchParams();
    for (const control of place.querySelectorAll("[name]")) {
      if (control.value) state.set(control.name, control.value);
    }
    tables.forEach((table, i) => {
      if (table.order().length) state.set("order" + i, table.order()[0].join("."));
    });
    const found = state.toString();
    if (found || location.hash.includes("=")) history.replaceState(null, "", "#" + found);
  };
  const draw = () => { tables.forEach((table) => table.draw()); say(); };

  const search = element("input", { type: "search", name: "q", autocomplete: "off" });
  search.addEventListener("input", () => {
    tables.forEach((table) => table.search(search.value));
    draw();
  });
  place.append(element("label", {}, "Search ", search));
  const filters = [
    ["kind", "Kind", [["single", "single"], ["ensemble", "ensemble"], ["unknown", "not said"]]],
    ["code", "Code open", [["yes", "yes"], ["no", "no"], ["not said", "not said"]]],
  ];
  for (const [name, title, options] of filters) {
    if (!rows.some((row) => name in row.dataset)) continue;
    const select = element("select", { name }, element("option", { value: "" }, "all"));
    for (const [value, text] of options) {
      // of both bin widths an entry is counted once
      const keys = rows.filter((row) => row.dataset[name] === value);
      const n = new Set(keys.map((row) => row.dataset.entry)).size;
      select.append(element("option", { value }, text + " (" + n + ")"));
    }
    select.addEventListener("change", () => {
      for (const table of tables) {
        table.search.fixed(name, select.value === "" ? null
          : (text, data, index) => table.row(index).node().dataset[name] === select.value);
      }
      draw();
    });
    place.append(element("label", {}, title + " ", select));
  }
  place.append(count);
  place.classList.add("controls");
  for (const control of place.querySelectorAll("[name]")) {
    if (!asked.get(control.name)) continue;
    control.value = asked.get(control.name);
    control.dispatchEvent(new Event(control === search ? "input" : "change"));
  }
  tables.forEach((table, i) => {
    const [column, direction] = (asked.get("order" + i) || "").split(".");
    if (table.column(column).length && ["asc", "desc"].includes(direction)) {
      table.order([Number(column), direction]).draw();
    }
    table.on("draw", keep);
  });
  say();
})();
