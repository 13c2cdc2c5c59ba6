"use strict";

// Loads the rows again when the server says that something has changed, and while the user types into the search. The
// server renders everything; without this script the pages work the same way with the buttons.
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  let loading = false;
  let again = false;
  let typing = 0;

  // What the user is doing with the old rows goes on with the new ones.
  const replace = (html) => {
    const active = document.activeElement;
    const focused = live.contains(active) && active.name ? active.name : "";
    const start = active && active.selectionStart;
    const typed = focused === "q" ? active.value : null;
    live.innerHTML = html;
    const same = focused && live.querySelector(`[name="${focused}"]`);
    if (!same) return;
    if (typed !== null) same.value = typed;
    same.focus({ preventScroll: true });
    if (typed !== null) same.setSelectionRange(start, start);
  };

  const load = async (cause = "auto") => {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    try {
      const address = new URL(location.href);
      address.searchParams.set("live", cause);
      const response = await fetch(address, { cache: "no-store" });
      if (response.ok) replace(await response.text());
      else if (response.status === 401) location.reload();
    } catch {
      // The console has ended, or the machine slept: the stream connects again.
    } finally {
      loading = false;
      if (again) {
        again = false;
        load();
      }
    }
  };

  const filter = () => {
    const form = document.getElementById("filter");
    const wanted = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) wanted.set(name, value);
    const text = wanted.toString();
    history.replaceState(null, "", text ? `?${text}` : location.pathname);
    load("user");
  };

  live.addEventListener("input", (event) => {
    if (event.target.form?.id !== "filter") return;
    clearTimeout(typing);
    typing = setTimeout(filter, event.target.type === "search" ? 150 : 0);
  });
  live.addEventListener("submit", (event) => {
    if (event.target.id !== "filter") return;
    event.preventDefault();
    filter();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    document.getElementById("q")?.focus();
  });

  let first = true;
  const stream = new EventSource(`${live.dataset.live}?live=auto`);
  stream.addEventListener("changed", () => {
    // The page is as new as the first event.
    if (!first) load();
    first = false;
  });
  stream.addEventListener("ping", () => load());
})();
