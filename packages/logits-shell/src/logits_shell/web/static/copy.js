// <copy-button for="id" label="Copy x">: copies the text of another element and says so.

class CopyButton extends HTMLElement {
  connectedCallback() {
    if (this.firstElementChild) return;
    const button = document.createElement("button");
    const said = document.createElement("span");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", this.getAttribute("label") ?? "Copy");
    said.className = "hidden-text";
    said.setAttribute("role", "status");
    button.addEventListener("click", () => this.copy(button, said));
    this.append(button, said);
  }

  async copy(button, said) {
    const source = document.getElementById(this.getAttribute("for"));
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without the clipboard (plain http on another host) the text is selected for the keyboard.
      getSelection().selectAllChildren(source);
      button.textContent = "Press Ctrl+C";
    }
    said.textContent = button.textContent;
    setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, 2000);
  }
}

customElements.define("copy-button", CopyButton);
