/** A Debian version in its three parts (Debian Policy §5.6.12); `revision` is empty for a native package. */
export interface DebianVersion {
  readonly epoch: number;
  readonly upstream: string;
  readonly revision: string;
}

/** dpkg keeps the epoch in an `int`. */
const maximumEpoch = 2147483647;

/**
 * Takes a version apart as dpkg does; blanks around it do not count.
 *
 * @returns `undefined` for what dpkg refuses or warns about: an empty part, an epoch that is no number, an upstream
 * version that does not start with a digit, a character that the policy does not allow
 */
export function parseVersion(text: string): DebianVersion | undefined {
  const version = text.trim();
  const colon = version.indexOf(":");
  const epochText = colon < 0 ? "0" : version.slice(0, colon);
  if (!/^[0-9]+$/.test(epochText)) return undefined;
  const epoch = Number(epochText);
  if (epoch > maximumEpoch) return undefined;
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  const upstream = dash < 0 ? rest : rest.slice(0, dash);
  const revision = dash < 0 ? "" : rest.slice(dash + 1);
  if (!/^[0-9][A-Za-z0-9.+~:-]*$/.test(upstream)) return undefined;
  if (dash >= 0 && !/^[A-Za-z0-9.+~]+$/.test(revision)) return undefined;
  return { epoch, upstream, revision };
}

/** Whether dpkg takes the text for a version without complaint. */
export function validVersion(text: string): boolean {
  return parseVersion(text) !== undefined;
}

/**
 * Orders two versions as dpkg does: epoch as a number, then upstream version and revision part by part. Accepts any
 * text, as dpkg's own comparison does, so that one odd version in an index breaks nothing.
 *
 * @returns negative, zero or positive, as `Array.sort` wants it
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = split(a);
  const right = split(b);
  return (
    left.epoch - right.epoch ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision)
  );
}

function split(version: string): DebianVersion {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)) || 0,
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Alternates between runs of non-digits, in dpkg's own alphabet, and runs of digits, as numbers of any length. */
function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = weight(a, i) - weight(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    while (a[i] === "0") i++;
    while (b[j] === "0") j++;
    let firstDifference = 0;
    while (isDigit(a, i) && isDigit(b, j)) {
      firstDifference ||= a.charCodeAt(i) - b.charCodeAt(j);
      i++;
      j++;
    }
    if (isDigit(a, i)) return 1;
    if (isDigit(b, j)) return -1;
    if (firstDifference !== 0) return firstDifference;
  }
  return 0;
}

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 48 && code <= 57;
}

/** `~` sorts before the end, the end (and a digit) before letters, letters before everything else. */
function weight(text: string, index: number): number {
  if (index >= text.length || isDigit(text, index)) return 0;
  const code = text.charCodeAt(index);
  if (code === 126) return -1;
  const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
  return isLetter ? code : code + 256;
}
