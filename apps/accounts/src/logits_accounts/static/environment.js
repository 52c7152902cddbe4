// The environment page: keeps the registration checklist live and ages readable.

const WORDS = { ok: "Done", waiting: "Waiting", failed: "Failed" };
const AGES = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// The page that shows a new key is the answer to a form; a reload should open the page itself.
const canonical = document.querySelector('meta[name="canonical-path"]')?.content;
if (canonical && location.pathname !== canonical) history.replaceState(null, "", canonical);

function age(seconds) {
  const [size, unit] = AGES.find(([length]) => seconds >= length) ?? [1, "second"];
  return relative.format(-Math.floor(seconds / size), unit);
}

function showAges() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = age(Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000));
    time.title = time.dateTime;
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

function showRow(item, row) {
  const part = (name) => item.querySelector(`[data-part="${name}"]`);
  item.dataset.status = row.status;
  const pill = part("status");
  put(pill, WORDS[row.status]);
  pill.className = `pill ${row.status}`;
  put(part("detail"), row.detail);
  put(part("remedy"), row.remedy);
  const command = part("command");
  put(command.firstElementChild, row.command);
  command.hidden = !row.command;
  const since = part("since");
  if (row.since) since.dateTime = row.since;
  else since.removeAttribute("datetime");
  if (!row.since) since.textContent = "";
}

function follow(list, chip) {
  const say = (text, tone) => {
    put(chip, text);
    chip.className = `pill ${tone}`;
  };
  const source = new EventSource(list.dataset.events);
  source.addEventListener("checklist", (event) => {
    say("Live", "good");
    for (const row of JSON.parse(event.data).rows) {
      const item = list.querySelector(`[data-step="${row.step}"]`);
      if (item) showRow(item, row);
    }
    showAges();
  });
  source.addEventListener("unreachable", () => say("Ops API out of reach", "warn"));
  source.addEventListener("error", () => say("Reconnecting", "warn"));
  addEventListener("pagehide", () => source.close());
}

const list = document.getElementById("checklist");
if (list) follow(list, document.getElementById("live"));
showAges();
setInterval(showAges, 5000);
