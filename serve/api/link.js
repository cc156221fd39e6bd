"use strict";
// The page behind a link: it sends what a button says and shows what came of it. It keeps nothing.
const main = document.querySelector("main");
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const base = location.pathname;

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function send(what, body) {
  const response = await fetch(`${base}/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response;
}

const said = (yes) => ({ yes, note: form.elements.note?.value ?? "", content: main.dataset.content });

async function withPasskey() {
  const answer = said(true);
  const { options } = await (await send("challenge", answer)).json();
  const key = options.publicKey;
  key.challenge = bytes(key.challenge);
  for (const allowed of key.allowCredentials ?? []) allowed.id = bytes(allowed.id);
  const credential = await navigator.credentials.get({ publicKey: key });
  const r = credential.response;
  const assertion = {
    id: credential.id, rawId: text(credential.rawId), type: credential.type,
    response: { authenticatorData: text(r.authenticatorData), clientDataJSON: text(r.clientDataJSON), signature: text(r.signature),
      userHandle: r.userHandle ? text(r.userHandle) : undefined },
  };
  await send("answer", { ...answer, proof: { kind: "webauthn", assertion } });
}

async function enrol() {
  const { publicKey } = JSON.parse(main.dataset.options);
  publicKey.challenge = bytes(publicKey.challenge);
  publicKey.user.id = bytes(publicKey.user.id);
  for (const known of publicKey.excludeCredentials ?? []) known.id = bytes(known.id);
  const credential = await navigator.credentials.create({ publicKey });
  const r = credential.response;
  const made = { id: credential.id, rawId: text(credential.rawId), type: credential.type,
    response: { attestationObject: text(r.attestationObject), clientDataJSON: text(r.clientDataJSON), transports: r.getTransports?.() } };
  const response = await fetch(base, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(made) });
  if (!response.ok) throw new Error((await response.text()).trim());
  return "The passkey is enrolled. You can close this page.";
}

const acts = {
  enrol,
  yes: async () => {
    const code = form.elements.code.value.trim();
    await send("answer", { ...said(true), proof: code ? { kind: "totp", code } : undefined });
    return "Your yes is in the journal.";
  },
  passkey: async () => { await withPasskey(); return "Your yes is in the journal."; },
  no: async () => { await send("answer", said(false)); return "Your no is in the journal."; },
  acknowledge: async () => { await send("acknowledge", said(false)); return "It is noted that you have it."; },
};

for (const button of form.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    for (const b of form.querySelectorAll("button")) b.disabled = true;
    try {
      status.textContent = await acts[button.name]();
    } catch (problem) {
      status.textContent = problem.message;
      for (const b of form.querySelectorAll("button")) b.disabled = false;
    }
  });
}
