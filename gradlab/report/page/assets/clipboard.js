// Copying texts, and the commands that made the runs.

/** Return a button that copies what `text()` returns, and says so. */
function copyButton(label, text) {
  const button = el("button", { type: "button", class: "noprint small" }, label);
  button.addEventListener("click", async () => {
    const copied = await copyText(text());
    button.textContent = copied ? "Copied" : "Select and copy by hand";
    announce(copied ? "copied" : "the browser does not let this page copy");
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  });
  return button;
}

/** Copy a text; return whether the browser allowed it. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "visually-hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** Return a word of a command as a shell takes it. */
const shellWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Return the command of a session as a line for a shell; empty where run.json has none. */
function commandOf(session) {
  const words = session && session.command;
  return Array.isArray(words) ? words.map((word) => shellWord(String(word))).join(" ") : "";
}

/** Return the command that made a run, with a button that copies it; null where it is not known. */
function commandLine(run) {
  const command = commandOf(run.sessions[run.sessions.length - 1]);
  if (!command) return null;
  return el(
    "p",
    { class: "command" },
    el("code", {}, command),
    " ",
    copyButton("Copy", () => command),
  );
}
