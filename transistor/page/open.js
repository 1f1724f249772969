// Opens a read-once drop in the browser.
//
// Nothing is read before the button is pressed: until then this page asks only whether the drop is there. The secret
// stands behind the # of the address, which browsers do not send, and leaves the address bar as soon as it was read.
// What is derived from it, and how contents are sealed, is told in the book under "Read-once drops"; the golden values
// there are what the tests hold this file to.

const KIND = /^kith-drop(\d+)\.(.*)$/;
const CHUNK = 65_536;
const TAG = 16;
const HEAD = new Uint8Array([0x6b, 0x64, 0x72, 0x6f, 0x70, 1, 16, 0]);
const ROUNDS = 600_000;
const MAX_CONTENT = 2 ** 44;
/** Longest content that is opened here: it has to fit into the browser's memory. */
export const MAX_HERE = 2 ** 30;
/** Longest content that is shown as text. */
const MAX_SHOWN = 2 ** 20;
/** Attempts in a row that bring nothing before the reader is asked. */
const ATTEMPTS = 6;

/** What went wrong, as a code that `TEXTS` knows. */
export class DropError extends Error {
  constructor(code, detail = "") {
    super(code);
    this.code = code;
    this.detail = detail;
  }
}

const TEXTS = {
  no_link: "There is no secret in this address. Open the whole link again, as it was sent to you.",
  link_cut: "This link is cut off or has a slip in it. Nothing is lost: ask for the link again, or copy all of it.",
  link_version: "This link was made by a newer version than this server knows.",
  link_bad: "This is not the link of a drop.",
  insecure: "This browser opens drops only on pages that came over https. Ask whoever runs this server, or use the command kith drop get.",
  drop_gone: "There is nothing here any more. It was read already, has expired or was deleted; or it is being read elsewhere at this moment. If it was not you who read it, tell the sender.",
  password_wrong: "This password is wrong.",
  too_large: "This is too large to be opened in a browser. Nothing was read; use the command kith drop get with the link.",
  damaged: "What the server has is not what was sealed: it was damaged or exchanged. Ask for it to be sent anew.",
  busy: "The server has too much to do. Nothing was read; try again in a moment.",
  connection: "The connection broke off. What has arrived is kept on this page; try again.",
  failed: "The server could not answer. Try again in a moment.",
};

const bytesOf = (text) => new TextEncoder().encode(text);

/** Bytes of base64url without padding; `null` for anything else. */
export function fromBase64(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(plain, (character) => character.charCodeAt(0));
  return toBase64(bytes) === text ? bytes : null;
}

/** Base64url without padding. */
export function toBase64(bytes) {
  const plain = btoa(String.fromCharCode(...bytes));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Reads what stands behind the # of a link: the secret, and whether a password is needed. */
export async function parseFragment(fragment) {
  const text = fragment.replace(/^#/, "").replace(/\s|%20|%0A|%0D/gi, "");
  if (text === "") throw new DropError("no_link");
  const parts = KIND.exec(text);
  if (!parts) throw new DropError(/^kith-drop\d*$/.test(text) || "kith-drop".startsWith(text) ? "link_cut" : "link_bad");
  if (parts[1] !== "1") throw new DropError("link_version");
  const bytes = fromBase64(parts[2]);
  if (!bytes || bytes.length !== 37) throw new DropError("link_cut");
  const check = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, 33)));
  if (bytes.subarray(33).some((byte, at) => byte !== check[at])) throw new DropError("link_cut");
  if (bytes[0] > 1) throw new DropError("link_version");
  return { secret: bytes.slice(1, 33), locked: bytes[0] === 1 };
}

async function derive(secret, salt, label, length) {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info: bytesOf(`kith/v1/drop/${label}`) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, length * 8));
}

const EMPTY = new Uint8Array(0);

/** The id and the access token of a drop. */
export async function addressOf(secret) {
  const id = await derive(secret, EMPTY, "id", 16);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
  const hex = Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return { id: parts.join("-"), access: toBase64(await derive(secret, EMPTY, "access", 32)) };
}

/** The keys of info and content, and with a password the unlock token. */
export async function keysOf(secret, password) {
  let [from, salt, unlock] = [secret, EMPTY, null];
  if (password !== null) {
    // HKDF-Extract with an empty salt is HMAC under a key of zeros.
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const zeros = await crypto.subtle.importKey("raw", new Uint8Array(32), hmac, false, ["sign"]);
    salt = new Uint8Array(await crypto.subtle.sign("HMAC", zeros, secret));
    const typed = await crypto.subtle.importKey("raw", bytesOf(password), "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: await derive(secret, EMPTY, "salt", 16), iterations: ROUNDS };
    from = new Uint8Array(await crypto.subtle.deriveBits(how, typed, 256));
    unlock = toBase64(await derive(from, salt, "unlock", 32));
  }
  return { unlock, info: await derive(from, salt, "info", 32), content: await derive(from, salt, "content", 39) };
}

const aes = (key) => crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);

/** Opens the info of a drop: name, media type, length, and for a copy the key of the content. */
export async function openInfo(text, key) {
  const sealed = fromBase64(text);
  if (!sealed || sealed.length !== 512) throw new DropError("damaged");
  let plain;
  try {
    const how = { name: "AES-GCM", iv: new Uint8Array(12) };
    plain = new Uint8Array(await crypto.subtle.decrypt(how, await aes(key), sealed));
  } catch {
    throw new DropError("damaged");
  }
  if (plain[0] !== 1) throw new DropError("link_version");
  const length = lengthAt(plain, 1);
  let at = 9;
  const sized = () => {
    const bytes = plain.subarray(at + 1, at + 1 + plain[at]);
    at += 1 + plain[at];
    return bytes;
  };
  const [name, type, content] = [sized(), sized(), sized()];
  if (at > plain.length || plain.subarray(at).some((byte) => byte !== 0)) throw new DropError("damaged");
  if (content.length !== 0 && content.length !== 39) throw new DropError("damaged");
  const text8 = (bytes) => {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new DropError("damaged");
    }
  };
  return { name: text8(name), type: text8(type), length, content: content.length === 39 ? content.slice() : null };
}

function lengthAt(bytes, at) {
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0);
  if (length > BigInt(MAX_CONTENT)) throw new DropError("damaged");
  return Number(length);
}

/** How long the sealed form of a content is, in bytes. */
export function sealedLength(length) {
  let plain = Math.max(length + 40, 256);
  let exponent = 8;
  while (2 ** (exponent + 1) <= plain) exponent += 1;
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  plain = Math.ceil(plain / step) * step;
  return HEAD.length + plain + Math.ceil(plain / CHUNK) * TAG;
}

/** Opens a sealed content piece by piece; it holds one chunk. */
export class Opener {
  #key;
  #nonce = new Uint8Array(12);
  #chunk = new Uint8Array(CHUNK + TAG);
  #filled = 0;
  #index = 0;
  #inside = new Uint8Array(40);
  #at = 0;
  #hash = new Sha256();

  /** For a content of the length that the drop's info says. */
  static async create(key, length) {
    const opener = new Opener();
    opener.#key = await aes(key.subarray(0, 32));
    opener.#nonce.set(key.subarray(32, 39));
    opener.length = length;
    opener.expected = sealedLength(length);
    opener.taken = 0;
    return opener;
  }

  /** Takes sealed bytes and gives the pieces of content that they open. */
  async push(bytes) {
    const out = [];
    let rest = bytes;
    if (this.taken + bytes.length > this.expected) throw new DropError("damaged", "trailing");
    while (rest.length > 0) {
      if (this.taken < HEAD.length) {
        if (rest[0] !== HEAD[this.taken]) throw new DropError(this.taken < 5 ? "damaged" : "link_version");
        this.taken += 1;
        rest = rest.subarray(1);
        continue;
      }
      const now = rest.subarray(0, this.#chunk.length - this.#filled);
      this.#chunk.set(now, this.#filled);
      this.#filled += now.length;
      this.taken += now.length;
      rest = rest.subarray(now.length);
      if (this.#filled === this.#chunk.length || this.taken === this.expected) {
        const piece = this.#take(await this.#open());
        if (piece.length > 0) out.push(piece);
      }
    }
    return out;
  }

  async #open() {
    const iv = this.#nonce.slice();
    new DataView(iv.buffer).setUint32(7, this.#index);
    iv[11] = this.taken === this.expected ? 1 : 0;
    try {
      const how = { name: "AES-GCM", iv, additionalData: HEAD };
      const plain = await crypto.subtle.decrypt(how, this.#key, this.#chunk.subarray(0, this.#filled));
      this.#filled = 0;
      this.#index += 1;
      return new Uint8Array(plain);
    } catch {
      throw new DropError("damaged", `chunk ${this.#index}`);
    }
  }

  /** Keeps length and digest, checks the padding, and gives the content. */
  #take(plain) {
    const end = 8 + this.length;
    const between = (from, to) => {
      const clamp = (at) => Math.min(Math.max(at - this.#at, 0), plain.length);
      return plain.subarray(clamp(from), clamp(to));
    };
    this.#inside.set(between(0, 8), Math.min(this.#at, 8));
    this.#inside.set(between(end, end + 32), Math.min(Math.max(this.#at - end, 0), 32) + 8);
    const content = between(8, end);
    this.#hash.update(content);
    if (between(end + 32, Infinity).some((byte) => byte !== 0)) throw new DropError("damaged", "padding");
    this.#at += plain.length;
    return content;
  }

  /** Says whether it is whole: length and digest fit. */
  finish() {
    if (this.taken !== this.expected) throw new DropError("damaged", "truncated");
    if (lengthAt(this.#inside, 0) !== this.length) throw new DropError("damaged", "length");
    const digest = this.#hash.finish();
    if (digest.some((byte, at) => byte !== this.#inside[8 + at])) throw new DropError("damaged", "digest");
  }
}

/** SHA-256 piece by piece (FIPS 180-4), which browsers do only in one go. */
export class Sha256 {
  static #constants = Sha256.#roots();
  #state = new Uint32Array([0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]);
  #words = new Uint32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #length = 0;

  /** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
  static #roots() {
    const primes = [];
    for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
    return Uint32Array.from(primes, (prime) => {
      const scaled = BigInt(prime) << 96n;
      let [low, high] = [0n, 1n << 36n];
      while (high - low > 1n) {
        const middle = (low + high) >> 1n;
        if (middle ** 3n <= scaled) low = middle;
        else high = middle;
      }
      return Number(low & 0xffffffffn);
    });
  }

  update(bytes) {
    this.#length += bytes.length;
    let rest = bytes;
    while (rest.length > 0) {
      const now = rest.subarray(0, 64 - this.#filled);
      this.#block.set(now, this.#filled);
      this.#filled += now.length;
      rest = rest.subarray(now.length);
      if (this.#filled === 64) {
        this.#compress();
        this.#filled = 0;
      }
    }
  }

  finish() {
    const bits = BigInt(this.#length) * 8n;
    const padding = new Uint8Array(((119 - (this.#length % 64)) % 64) + 9);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    const digest = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, at) => digest.setUint32(at * 4, word));
    return new Uint8Array(digest.buffer);
  }

  #compress() {
    const [words, constants, state] = [this.#words, Sha256.#constants, this.#state];
    const block = new DataView(this.#block.buffer);
    for (let t = 0; t < 16; t += 1) words[t] = block.getUint32(t * 4);
    for (let t = 16; t < 64; t += 1) {
      const [x, y] = [words[t - 15], words[t - 2]];
      const small0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const small1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[t] = (small1 + words[t - 7] + small0 + words[t - 16]) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let t = 0; t < 64; t += 1) {
      const big1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + big1 + ((e & f) ^ (~e & g)) + constants[t] + words[t]) | 0;
      const big0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** A name that is safe for a file, the closest to what the sender says. */
export function safeName(name) {
  const risky = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0/\\:*?"<>|]/gu;
  let safe = name.replace(risky, "_").trim().replace(/[.\s]+$/u, "");
  if (safe === "") return "unnamed";
  if (safe.startsWith(".") || /^(con|prn|aux|nul|com\d|lpt\d)\s*(\.|$)/i.test(safe)) safe = `_${safe}`;
  const characters = Array.from(safe);
  if (characters.length <= 120) return safe;
  const extension = /\.[^.]{1,16}$/u.exec(safe)?.[0] ?? "";
  return characters.slice(0, 120 - extension.length).join("") + extension;
}

/** A length in bytes for people. */
export function sizeText(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (!Number.isFinite(bytes)) return "not known";
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Talks to the service about one drop. */
export class Service {
  #base;
  #headers;

  constructor(base, access) {
    this.#base = base;
    this.#headers = { "Transistor-Access": access };
  }

  async #ask(method, path, headers = {}, options = {}) {
    let answer;
    try {
      answer = await fetch(this.#base + path, {
        method,
        headers: { ...this.#headers, ...headers },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        ...options,
      });
    } catch {
      throw new DropError("connection");
    }
    if (answer.ok) return answer;
    if (answer.status === 404) throw new DropError("drop_gone");
    let problem = {};
    if (method !== "HEAD") problem = await answer.json().catch(() => ({}));
    if (problem.code === "password_wrong") throw new DropError("password_wrong", problem.detail);
    if (answer.status === 429 || answer.status === 503) throw new DropError("busy");
    throw new DropError("failed");
  }

  /** Whether it is there; consumes nothing. */
  async look() {
    const answer = await this.#ask("HEAD", "/content");
    return { size: Number(answer.headers.get("Content-Length") ?? NaN), info: answer.headers.get("Transistor-Info") };
  }

  async claim(token, unlock) {
    const headers = { "Transistor-Claim": token, Accept: "application/vnd.api+json" };
    if (unlock) headers["Transistor-Unlock"] = unlock;
    const answer = await this.#ask("PUT", "/claim", headers);
    return (await answer.json()).data.attributes;
  }

  async read(token, unlock, from) {
    const headers = { "Transistor-Claim": token, Accept: "application/octet-stream" };
    if (unlock) headers["Transistor-Unlock"] = unlock;
    if (from > 0) headers.Range = `bytes=${from}-`;
    const answer = await this.#ask("GET", "/content", headers);
    // A proxy may leave out the range; then the beginning is passed over.
    const start = answer.status === 206 ? Number(/^bytes (\d+)-/.exec(answer.headers.get("Content-Range") ?? "")?.[1]) : 0;
    if (!(start <= from)) throw new DropError("failed");
    return { reader: answer.body.getReader(), skip: from - start };
  }

  async confirm(token) {
    await this.#ask("POST", "/claim/confirm", { "Transistor-Claim": token });
  }

  /** Gives the claim back, also while the page is being left. */
  async release(token) {
    await this.#ask("DELETE", "/claim", { "Transistor-Claim": token }, { keepalive: true });
  }
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Does it again while the connection breaks or the server is busy, later each time. */
async function patiently(work) {
  for (let failed = 0; ; failed += 1) {
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof DropError && ["connection", "busy", "failed"].includes(error.code);
      if (!passing || failed + 1 >= ATTEMPTS) throw error;
      await pause(400 * 2 ** failed * (0.75 + Math.random() / 2));
    }
  }
}

/**
 * One drop being opened. What has arrived is kept over broken connections and over repeated calls of `fetchAll`, so that
 * nothing is asked for twice.
 */
export class Reading {
  constructor(service, secret) {
    this.service = service;
    this.secret = secret;
    this.token = toBase64(crypto.getRandomValues(new Uint8Array(32)));
    this.unlock = null;
    this.claimed = false;
    this.over = false;
    this.parts = [];
    this.opener = null;
  }

  /** Claims the drop and opens its info; nothing is consumed yet. */
  async claim(password, known) {
    const keys = await keysOf(this.secret, password);
    this.unlock = keys.unlock;
    const claim = await patiently(() => this.service.claim(this.token, this.unlock));
    this.claimed = true;
    this.info = known ?? (await openInfo(claim.info ?? "", keys.info));
    if (this.info.length > MAX_HERE) throw new DropError("too_large");
    this.opener ??= await Opener.create(this.info.content ?? keys.content, this.info.length);
    if (claim.size !== this.opener.expected) throw new DropError("damaged", "size");
  }

  /** Brings everything, verifies it, and says so to the server. */
  async fetchAll(progress) {
    const { opener } = this;
    // A connection that brought something is a success, so attempts count anew after it.
    while (opener.taken < opener.expected) await patiently(() => this.#some(progress));
    opener.finish();
    this.over = true;
    // The claim is final: whether this arrives or not, the drop is erased.
    await patiently(() => this.service.confirm(this.token)).catch(() => {});
    return new Blob(this.parts, { type: "application/octet-stream" });
  }

  /** One connection, as long as it lasts; breaking after it brought something is no failure. */
  async #some(progress) {
    const { opener } = this;
    const from = opener.taken;
    const { reader, skip } = await this.service.read(this.token, this.unlock, from);
    let left = skip;
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch {
        if (opener.taken > from) return;
        throw new DropError("connection");
      }
      if (piece.done) break;
      const bytes = piece.value.subarray(Math.min(left, piece.value.length));
      left -= piece.value.length - bytes.length;
      this.parts.push(...(await opener.push(bytes)));
      progress(opener.taken / opener.expected);
    }
    if (opener.taken === from) throw new DropError("connection");
  }

  /** Gives the drop back if it was claimed and not read to its end. */
  async release() {
    if (!this.claimed || this.over) return;
    this.claimed = false;
    await this.service.release(this.token).catch(() => {});
  }
}

/** The text of a short content that says it is one; `null` for a file. */
async function shownText(blob, info) {
  if (!/^text\/plain\b/i.test(info.type) || info.name !== "" || blob.size > MAX_SHOWN) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await blob.arrayBuffer());
  } catch {
    return null;
  }
}

/** The page. */
async function start() {
  const element = (id) => document.getElementById(id);
  const show = (id, shown = true) => {
    element(id).hidden = !shown;
  };
  const status = (text) => {
    element("status").textContent = text;
    show("status", text !== "");
  };
  const tell = (error) => {
    const code = error instanceof DropError && error.code in TEXTS ? error.code : "failed";
    const detail = code === "password_wrong" && error.detail ? ` ${error.detail}` : "";
    element("problem").textContent = TEXTS[code] + detail;
    element("problem").dataset.code = code;
    status("");
    show("problem");
    return code;
  };
  const passing = (code) => ["connection", "busy", "failed"].includes(code);
  let retry = null;
  element("again").addEventListener("click", () => {
    show("again", false);
    show("problem", false);
    retry?.();
  });
  const offerAgain = (work) => {
    retry = work;
    show("again");
    element("again").focus();
  };

  const fragment = location.hash;
  // Another link in the same window changes nothing but the fragment, and is a new page.
  addEventListener("hashchange", () => location.hash !== "" && location.reload());
  if (fragment !== "") history.replaceState(null, "", location.pathname + location.search);

  let reading;
  let locked;
  let known = null;
  let leaving = null;
  addEventListener("beforeunload", (event) => leaving && event.preventDefault());
  addEventListener("pagehide", () => reading?.release());

  async function look() {
    try {
      if (!globalThis.crypto?.subtle) throw new DropError(fragment === "" ? "no_link" : "insecure");
      const link = await parseFragment(fragment);
      locked = link.locked;
      const address = await addressOf(link.secret);
      const base = new URL(`../v1/public/transfers/${address.id}`, import.meta.url).href;
      reading ??= new Reading(new Service(base, address.access), link.secret);
      const found = await reading.service.look();
      if (!locked && found.info) known = await openInfo(found.info, (await keysOf(link.secret, null)).info);
      if ((known?.length ?? found.size) > MAX_HERE * (known ? 1 : 1.13)) throw new DropError("too_large");
      element("name").textContent = known ? safeName(known.name) : "";
      show("name-row", known !== null && known.name !== "");
      element("size").textContent = known ? sizeText(known.length) : `${sizeText(found.size)} at most`;
      show("password-row", locked);
      element("password").required = locked;
      status("It is still there.");
      show("reveal");
      element(locked ? "password" : "go").focus();
    } catch (error) {
      if (passing(tell(error))) offerAgain(look);
    }
  }

  element("reveal").addEventListener("submit", async (event) => {
    event.preventDefault();
    show("problem", false);
    element("go").disabled = true;
    status(locked ? "Checking the password …" : "Fetching …");
    try {
      await reading.claim(locked ? element("password").value : null, known);
    } catch (error) {
      element("go").disabled = false;
      const code = tell(error);
      if (code === "password_wrong") {
        element("password").select();
        element("password").focus();
      } else if (!passing(code)) {
        show("reveal", false);
        await reading.release();
      }
      return;
    }
    element("password").value = "";
    show("reveal", false);
    await bring();
  });

  async function bring() {
    status("Fetching …");
    show("progress");
    leaving = "fetching";
    try {
      const blob = await reading.fetchAll((part) => {
        element("progress").value = Math.floor(part * 100);
      });
      await present(blob, reading.info);
    } catch (error) {
      leaving = null;
      const code = tell(error);
      if (passing(code)) offerAgain(bring);
      else await reading.release();
    }
  }

  async function present(blob, info) {
    const text = await shownText(blob, info);
    show("progress", false);
    status("");
    leaving = null;
    const name = info.name === "" ? "drop" + (text === null ? ".bin" : ".txt") : safeName(info.name);
    const save = element("save");
    // The type is never that of the sender: the browser is to store it, not to show it.
    save.href = URL.createObjectURL(blob);
    save.download = name;
    save.textContent = text === null ? `Save ${name} (${sizeText(blob.size)})` : "Save as a file";
    save.addEventListener("click", () => {
      leaving = null;
    });
    show("save");
    if (text === null) {
      leaving = "not saved";
    } else {
      element("text").textContent = text;
      show("text");
      show("copy");
      element("copy").addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(text);
          status("Copied.");
        } catch {
          status("Copying was refused; mark the text and copy it.");
        }
      });
    }
    show("result");
    element("result-title").focus();
  }

  await look();
}

if (typeof document !== "undefined") start();
