import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../io/index.ts";
import { type ProgressMode, progressView } from "./progress.ts";

const events: ProgressEvent[] = [
  { kind: "start", id: "1", label: "download nginx", platform: "linux/arm64", totalBytes: 2000 },
  { kind: "bytes", id: "1", bytes: 2000 },
  { kind: "start", id: "2", label: "carve" },
  { kind: "done", id: "2", outcome: "cached" },
  { kind: "warning", text: "no security mirror" },
  { kind: "log", id: "1", line: "said\u001b[2J", stream: "stdout" },
  { kind: "done", id: "1", outcome: "failed" },
];

function shown(mode: ProgressMode, isTTY: boolean): string {
  let text = "";
  const output = { isTTY, columns: 40, write: (chunk: string) => (text += chunk) };
  const view = progressView(mode, output, false);
  for (const event of events) view.progress(event);
  view.stop();
  return text;
}

describe("progressView", () => {
  it("plain: a line for each finished step, warnings, logs without control characters", () => {
    const lines = shown("plain", false).split("\n");
    expect(lines[0]).toBe("= carve cached");
    expect(lines[1]).toBe("warning: no security mirror");
    expect(lines[2]).toBe("said\\x1b[2J");
    expect(lines[3]).toMatch(/^✗ linux\/arm64 download nginx 2\.00 kB \d+ ms$/);
  });

  it("auto: plain without a terminal", () => {
    expect(shown("auto", false)).toContain("= carve cached\n");
  });

  it("quiet: warnings only", () => {
    expect(shown("quiet", true)).toBe("warning: no security mirror\n");
  });

  it("json: every event on a line", () => {
    const lines = shown("json", false).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(events);
  });

  it("tty: what is drawn for the moment is gone in the end", () => {
    expect(shown("tty", true)).toMatch(/✗ linux\/arm64 download nginx 2\.00 kB \d+ ms\n$/);
  });
});
