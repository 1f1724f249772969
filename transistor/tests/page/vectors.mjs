// The page's module against the golden drops of the crate that seals them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

const here = (path) => new URL(path, import.meta.url);
const { DropError, Opener, Sha256, addressOf, fromBase64, keysOf, openInfo, parseFragment, safeName, sealedLength, sizeText, toBase64 } =
  await import(here("../../page/open.js"));
const vectors = here("../../../crates/sealed-drop/tests/vectors/");
const { drops } = JSON.parse(await readFile(new URL("drops.json", vectors)));

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const failsWith = async (code, work, detail) => {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof DropError, String(error));
    assert.equal(error.code, code);
    if (detail) assert.equal(error.detail, detail);
    return true;
  });
};

async function open(key, length, sealed, piece = 10_000) {
  const opener = await Opener.create(key, length);
  const out = [];
  for (let at = 0; at < sealed.length; at += piece) out.push(...(await opener.push(sealed.subarray(at, at + piece))));
  opener.finish();
  return Buffer.concat(out);
}

for (const drop of drops) {
  const link = await parseFragment(new URL(drop.link).hash);
  assert.equal(hex(link.secret), drop.secret);
  assert.equal(link.locked, drop.password !== null);
  assert.deepEqual(await addressOf(link.secret), { id: drop.id, access: drop.access });
  const keys = await keysOf(link.secret, drop.password);
  assert.equal(keys.unlock, drop.unlock);
  const info = await openInfo(drop.info, keys.info);
  assert.equal(info.name, drop.file);
  assert.equal(info.type, drop.media_type);
  assert.equal(info.length, drop.length);
  const key = info.content ?? keys.content;
  assert.equal(hex(key), drop.content_key);
  const sealed = new Uint8Array(await readFile(new URL(drop.sealed, vectors)));
  assert.equal(sealed.length, sealedLength(info.length));
  for (const piece of [1, 7, 65_552, sealed.length]) {
    if (piece < 100 && sealed.length > 10_000) continue;
    const content = await open(key, info.length, sealed, piece);
    assert.equal(content.length, drop.length);
    if (drop.content !== null) assert.equal(hex(content), drop.content);
  }

  // Every change is noticed.
  for (const at of [0, 5, 8, 100, sealed.length - 1]) {
    const bad = sealed.slice();
    bad[at] ^= 1;
    await failsWith(at === 5 ? "link_version" : "damaged", () => open(key, info.length, bad));
  }
  await failsWith("damaged", () => open(key, info.length, sealed.subarray(0, -1)), "truncated");
  await failsWith("damaged", () => open(key, info.length, Buffer.concat([sealed, Buffer.of(0)])), "trailing");
  const other = key.slice();
  other[0] ^= 1;
  await failsWith("damaged", () => open(other, info.length, sealed), "chunk 0");
  await failsWith("damaged", () => openInfo(drop.info, other.subarray(0, 32)));
  if (drop.password !== null) {
    const wrong = await keysOf(link.secret, `${drop.password} `);
    assert.notEqual(wrong.unlock, keys.unlock);
    await failsWith("damaged", () => openInfo(drop.info, wrong.info));
  }
}
const long = drops.find((drop) => drop.name === "two-chunks");
assert.ok(long.length > 65_536, "one of the drops has several chunks");

// Links: what is wrong with them is told.
const fragment = new URL(drops[0].link).hash;
for (let end = 1; end < fragment.length; end += 1) {
  await failsWith(end === 1 ? "no_link" : "link_cut", () => parseFragment(fragment.slice(0, end)));
}
await failsWith("no_link", () => parseFragment(""));
await failsWith("link_bad", () => parseFragment("#kith-ticket1.AAAA"));
await failsWith("link_version", () => parseFragment(fragment.replace("drop1", "drop2")));
await failsWith("link_cut", () => parseFragment(`${fragment}A`));
await parseFragment(`${fragment.slice(0, 20)}%20\n${fragment.slice(20)}`);
assert.equal(fromBase64("A"), null);
assert.equal(fromBase64("_".repeat(43)), null, "a second form of the same bytes");
assert.equal(toBase64(fromBase64("-_-_")), "-_-_");

// SHA-256 in pieces is that in one go.
for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_003]) {
  const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) % 251);
  const hash = new Sha256();
  for (let at = 0; at < length; at += 777) hash.update(bytes.subarray(at, at + 777));
  assert.equal(hex(hash.finish()), createHash("sha256").update(bytes).digest("hex"), `${length} bytes`);
}

// Lengths as the sealing side computes them.
for (const [length, sealed] of [
  [0, 280],
  [216, 280],
  [217, 296],
  [65_496, 65_560],
  [65_497, 67_624],
  [2 ** 30, 8 + 2 ** 30 + 2 ** 25 + 16 * 16_896],
]) {
  assert.equal(sealedLength(length), sealed);
}

for (const [given, safe] of [
  ["report.pdf", "report.pdf"],
  ["../../etc/passwd", "_.._.._etc_passwd"],
  ["a\\b:c", "a_b_c"],
  ["..", "unnamed"],
  ["", "unnamed"],
  [".profile", "_.profile"],
  ["CON", "_CON"],
  ["nul.txt", "_nul.txt"],
  ["company", "company"],
  ["photo\u202egpj.exe", "photo_gpj.exe"],
  ["trailing. . ", "trailing"],
]) {
  assert.equal(safeName(given), safe);
}
assert.ok(Array.from(safeName(`${"ü".repeat(200)}.gz`)).length <= 120);
assert.ok(safeName(`${"ü".repeat(200)}.gz`).endsWith("ü.gz"));
assert.equal(sizeText(1), "1 byte");
assert.equal(sizeText(1536), "1.5 KiB");
assert.equal(sizeText(50 * 2 ** 20), "50 MiB");
