/** Media types by extension (IANA's registry; nginx's `mime.types` for what is older than it). */
const types: Readonly<Record<string, string>> = {
  avif: "image/avif",
  bin: "application/octet-stream",
  css: "text/css",
  csv: "text/csv",
  geojson: "application/geo+json",
  gif: "image/gif",
  gz: "application/gzip",
  htm: "text/html",
  html: "text/html",
  ico: "image/x-icon",
  ics: "text/calendar",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  jsonld: "application/ld+json",
  map: "application/json",
  md: "text/markdown",
  mjs: "text/javascript",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  ndjson: "application/x-ndjson",
  otf: "font/otf",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  toml: "application/toml",
  ttf: "font/ttf",
  txt: "text/plain",
  wasm: "application/wasm",
  webm: "video/webm",
  webmanifest: "application/manifest+json",
  webp: "image/webp",
  woff: "font/woff",
  woff2: "font/woff2",
  xml: "text/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
  zip: "application/zip",
};

/** The extension of a file's name in lower case, without its dot; empty when there is none. */
export function extensionOf(file: string): string {
  return /[^/]\.([A-Za-z0-9]+)$/.exec(file)?.[1]?.toLowerCase() ?? "";
}

/** The types of the extensions that occur, in nginx's form: type → extensions. */
export function mediaTypesOf(files: Iterable<string>): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const extension of [...new Set([...files].map(extensionOf))].sort()) {
    const type = types[extension];
    if (type !== undefined) result.set(type, [...(result.get(type) ?? []), extension]);
  }
  return result;
}

/** Whether bodies of an extension are text, which compression makes smaller. */
export function isText(file: string): boolean {
  return /^text\/|[/+](?:json|x-ndjson|xml|yaml|toml|wasm|javascript|x-tar)$|font\/[ot]tf/.test(
    types[extensionOf(file)] ?? "",
  );
}
