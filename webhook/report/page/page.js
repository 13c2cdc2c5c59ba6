"use strict";

// Filters, sorts and searches the table of entries, and renders one page of it. The address after # holds the view, so
// that users can bookmark and share it. Text only becomes text nodes.
(() => {
  const SIZE = 50;
  const DAY = 86_400_000;
  const { now, entries } = JSON.parse(document.getElementById("data").textContent);
  const today = Date.parse(now.slice(0, 10));
  const byId = (id) => document.getElementById(id);
  const fields = { q: byId("q"), state: byId("state"), provider: byId("provider"), role: byId("role"), ends: byId("ends") };
  const heads = [...document.querySelectorAll("[data-sort]")];
  const rows = byId("rows");
  const severities = new Map([...document.querySelectorAll(".strip a")].map((a) => [a.className, a.lastChild.data]));
  let severity = "";
  let sort = "rank";
  let descending = false;
  let page = 0;
  let found = entries;

  entries.forEach((entry, rank) => {
    entry.rank = rank;
    entry.token = [entry.account, entry.host, entry.kind].filter(Boolean).join(" ");
    entry.days = entry.ends ? (Date.parse(entry.ends) - today) / DAY : null;
    entry.text = [
      entry.state, entry.secret, entry.file, entry.field, entry.holder, entry.token, entry.provider, entry.ends,
      entry.message, ...entry.warnings, entry.advice, ...Object.values(entry.more),
    ].join("\n").toLowerCase();
  });

  // --- selection ---

  const endsWithin = (entry, wanted) => {
    if (wanted === "unknown") return entry.days === null;
    if (entry.days === null) return false;
    if (wanted === "ended") return entry.left === "expired";
    return entry.left !== "expired" && entry.days <= Number(wanted);
  };

  const find = () => {
    const words = fields.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { state, provider, role, ends } = fields;
    found = entries.filter((entry) =>
      (!severity || entry.severity === severity)
      && (!state.value || entry.state === state.value)
      && (!provider.value || (entry.provider || "unknown") === provider.value)
      && (!role.value || entry.roles.includes(role.value))
      && (!ends.value || endsWithin(entry, ends.value))
      && words.every((word) => entry.text.includes(word)));
    const direction = descending ? -1 : 1;
    const compare = {
      rank: (a, b) => direction * (a.rank - b.rank),
      // Entries without a known expiry are last in both directions.
      ends: (a, b) => (a.days === null) - (b.days === null) || direction * (a.days - b.days) || a.rank - b.rank,
    }[sort] ?? ((a, b) => direction * (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : 0) || a.rank - b.rank);
    found.sort(compare);
  };

  // --- rendering ---

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  const cell = (row, text, ...small) => {
    const td = make("td", "", text);
    for (const line of small.filter(Boolean)) td.append(make("small", "", line));
    row.append(td);
    return td;
  };

  const draw = (entry) => {
    const row = make("tr", entry.severity);
    cell(row, "").append(make("span", "state", entry.state));
    cell(row, entry.secret, entry.field, entry.file);
    cell(row, entry.holder);
    cell(row, entry.account, entry.host, entry.kind);
    const ends = cell(row, entry.ends, entry.left);
    if (entry.left === "expired") ends.className = "ended";
    else if (entry.days !== null && entry.days <= 30) ends.className = "ends-soon";
    const finding = cell(row, "");
    for (const sentence of [entry.message, ...entry.warnings]) if (sentence) finding.append(make("p", "", sentence));
    if (entry.advice || entry.link) {
      const todo = make("p", "todo", entry.advice ? `${entry.advice} ` : "");
      if (entry.link) {
        const link = make("a", "", "Create a token");
        link.href = entry.link;
        link.rel = "noreferrer noopener";
        todo.append(link);
      }
      finding.append(todo);
    }
    if (entry.evidence.length) {
      const details = make("details", "evidence");
      const summary = make("summary", "", "Evidence");
      summary.append(make("span", "away", ` for ${entry.field} of ${entry.secret}`));
      const list = make("ul");
      for (const line of entry.evidence) list.append(make("li", `${line.style} depth-${line.depth}`, line.text));
      details.append(summary, list);
      finding.append(details);
    }
    const more = Object.entries(entry.more);
    if (more.length) {
      const details = make("details");
      const summary = make("summary", "", "More");
      summary.append(make("span", "away", ` about ${entry.field} of ${entry.secret}`));
      const list = make("dl");
      for (const [name, text] of more) list.append(make("dt", "", name), make("dd", "", text));
      details.append(summary, list);
      finding.append(details);
    }
    return row;
  };

  const count = (number) => number.toLocaleString("en");

  const show = (from, to) => {
    rows.replaceChildren(...found.slice(from, to).map(draw));
    const all = found.length === entries.length ? "" : ` of ${count(entries.length)}`;
    byId("status").textContent = found.length
      ? `${count(found.length)}${all} ${entries.length === 1 ? "entry" : "entries"}${severity && `:${severities.get(severity)}`}`
      : "No entry matches.";
  };

  const render = () => {
    const pages = Math.max(1, Math.ceil(found.length / SIZE));
    page = Math.min(page, pages - 1);
    show(page * SIZE, (page + 1) * SIZE);
    byId("page").textContent = `Page ${count(page + 1)} of ${count(pages)}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
    byId("pages").hidden = pages === 1;
    for (const head of heads) {
      const cell = head.closest("th");
      if (head.dataset.sort === sort) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  };

  // --- the address ---

  const remember = () => {
    const wanted = new URLSearchParams();
    for (const [name, field] of Object.entries(fields)) if (field.value) wanted.set(name, field.value);
    if (severity) wanted.set("severity", severity);
    if (sort !== "rank" || descending) wanted.set("sort", (descending ? "-" : "") + sort);
    const text = wanted.toString();
    history.replaceState(null, "", text ? `#${text}` : "#");
  };

  const recall = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const [name, field] of Object.entries(fields)) {
      field.value = wanted.get(name) ?? "";
      if (field.selectedIndex === -1) field.value = "";
    }
    severity = severities.has(wanted.get("severity")) ? wanted.get("severity") : "";
    const order = wanted.get("sort") ?? "rank";
    descending = order.startsWith("-");
    sort = heads.some((head) => head.dataset.sort === order.replace("-", "")) ? order.replace("-", "") : "rank";
    page = 0;
  };

  const again = () => {
    page = 0;
    find();
    render();
    remember();
  };

  // --- controls ---

  const offer = (select, every, values) => {
    select.append(new Option(every, ""), ...[...new Set(values)].sort().map((value) => new Option(value, value)));
  };
  offer(fields.state, "any", entries.map((entry) => entry.state));
  offer(fields.provider, "any", entries.map((entry) => entry.provider || "unknown"));
  offer(fields.role, "any", entries.flatMap((entry) => entry.roles));

  let waiting = 0;
  fields.q.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(again, 120);
  });
  for (const name of ["state", "provider", "role", "ends"]) fields[name].addEventListener("change", again);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("controls").addEventListener("reset", () => {
    severity = "";
    sort = "rank";
    descending = false;
    setTimeout(again);
  });
  for (const head of heads) {
    head.addEventListener("click", () => {
      descending = head.dataset.sort === sort && !descending;
      sort = head.dataset.sort;
      again();
    });
  }
  const turn = (by) => {
    page += by;
    render();
    byId("entries").scrollIntoView();
    byId("entries").focus({ preventScroll: true });
  };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    fields.q.focus();
  });
  addEventListener("hashchange", () => {
    if (location.hash === "#entries") return;
    recall();
    find();
    render();
    byId("entries").scrollIntoView();
  });
  // A printed page contains all matching entries.
  addEventListener("beforeprint", () => show(0, found.length));
  addEventListener("afterprint", render);

  byId("controls").hidden = false;
  byId("scripted").hidden = false;
  recall();
  find();
  render();
})();
