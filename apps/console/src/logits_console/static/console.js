// The Console's elements: live cells, the chat, copy buttons. No framework, no build.

class Live extends HTMLElement {
  connectedCallback() {
    this.source = new EventSource(this.getAttribute("src"));
    this.source.addEventListener("open", () => this.say("live", "good"));
    this.source.addEventListener("error", () => this.say("reconnecting", "warn"));
    this.source.addEventListener("cells", (event) => this.take(JSON.parse(event.data)));
  }

  disconnectedCallback() {
    this.source.close();
  }

  say(text, state) {
    const chip = this.querySelector("[data-live-state]");
    chip.textContent = text;
    chip.className = `pill ${state}`;
  }

  async take({ shape, cells }) {
    if (this.shape !== undefined && this.shape !== shape) await this.refresh();
    this.shape = shape;
    for (const [key, cell] of Object.entries(cells)) {
      for (const target of document.querySelectorAll(`[data-cell="${CSS.escape(key)}"]`)) {
        target.textContent = cell.text;
        if (target.hasAttribute("data-pill")) target.className = `pill ${cell.state}`;
      }
    }
  }

  // Rows came or went: fetch the page's region anew, but never under somebody's hands.
  async refresh() {
    const region = document.getElementById("region");
    if (!region || (region.contains(document.activeElement) && document.activeElement.matches("input, textarea"))) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = document.activeElement?.closest("#region") ? document.activeElement.textContent : null;
    region.replaceChildren(...page.getElementById("region").childNodes);
    if (window.htmx) window.htmx.process(region);
    if (focused) [...region.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }
}

class Chat extends HTMLElement {
  connectedCallback() {
    this.conversation = [];
    this.form = this.querySelector("form");
    this.list = this.querySelector(".messages");
    this.stop = this.querySelector("[data-stop]");
    this.querySelector("[data-send]").disabled = false; // until here nobody would have listened
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.form.question.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.stop.addEventListener("click", () => this.controller?.abort());
    this.querySelector("[data-clear]").addEventListener("click", () => {
      this.controller?.abort();
      this.conversation = [];
      this.list.replaceChildren();
    });
  }

  show(role, text) {
    const item = document.createElement("li");
    item.dataset.role = role;
    const who = document.createElement("b");
    who.textContent = role === "user" ? "You" : this.querySelector("#model").value;
    const body = document.createElement("span");
    body.textContent = text;
    item.append(who, body);
    this.list.append(item);
    item.scrollIntoView({ block: "nearest" });
    return { item, body };
  }

  async ask() {
    const question = this.form.question.value.trim();
    if (!question || this.controller) return;
    this.form.question.value = "";
    this.show("user", question);
    this.conversation.push({ role: "user", content: question });
    const answer = this.show("assistant", "");
    this.controller = new AbortController();
    this.stop.hidden = false;
    const begun = performance.now();
    try {
      const text = await this.stream(answer, begun);
      this.conversation.push({ role: "assistant", content: text });
    } catch (error) {
      const stopped = error.name === "AbortError";
      answer.body.textContent += stopped ? " (stopped)" : ` ${error.message}`;
      if (!stopped) answer.item.dataset.failed = "";
    } finally {
      this.controller = undefined;
      this.stop.hidden = true;
      this.form.question.focus();
    }
  }

  async stream(answer, begun) {
    const system = this.querySelector("#system").value.trim();
    const messages = [...(system ? [{ role: "system", content: system }] : []), ...this.conversation];
    const response = await fetch("/playground/chat", {
      method: "POST",
      signal: this.controller.signal,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: this.querySelector("#model").value, messages, stream: true }),
    });
    if (!response.ok) {
      const failure = await response.json().catch(() => ({}));
      throw new Error(failure.error?.message ?? failure.detail ?? `the platform answered ${response.status}`);
    }
    this.tell(response.headers.get("x-logits-route"), answer);
    return this.read(response, answer, begun);
  }

  tell(route, answer) {
    if (!route) return;
    const note = document.createElement("small");
    note.className = "quiet";
    note.dataset.route = "";
    note.title = "Which LLM Server answered, and why it was chosen";
    note.textContent = route.replaceAll("; ", " · ");
    answer.item.append(note);
  }

  async read(response, answer, begun) {
    const figures = this.querySelector("[data-figures]");
    let text = "", held = "", first, chunks = 0;
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      held += part;
      const events = held.split("\n\n");
      held = events.pop();
      for (const data of events.flatMap((event) => event.split("\n")).filter((line) => line.startsWith("data: "))) {
        if (data === "data: [DONE]") continue;
        const chunk = JSON.parse(data.slice(6));
        if (chunk.error) throw new Error(chunk.error.message);
        const added = chunk.choices?.[0]?.delta?.content ?? "";
        if (!added) continue;
        first ??= performance.now();
        chunks += 1;
        text += added;
        answer.body.textContent = text;
      }
    }
    const seconds = (performance.now() - first) / 1000;
    if (first) figures.textContent = `first word ${Math.round(first - begun)} ms · ${Math.round(chunks / Math.max(seconds, 0.001))} tokens/s`;
    return text;
  }
}

customElements.define("x-live", Live);
customElements.define("x-chat", Chat);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
});
