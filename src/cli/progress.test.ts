import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../io/index.ts";
import { type ProgressMode, progressView } from "./progress.ts";

const events: ProgressEvent[] = [
  { kind: "start", id: "1", label: "download nginx", platform: "linux/arm64", totalBytes: 2000 },
  { kind: "bytes", id: "1", bytes: 2000 },
  { kind: "start", id: "2", label: "carve" },
  { kind: "done", id: "2", outcome: "cached" },
  { kind: "warning", text: "no security mirror" },
  { kind: "warning", text: "small letters are wanted", advice: true },
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
    expect(lines[2]).toBe("warning: small letters are wanted");
    expect(lines[3]).toBe("said\\x1b[2J");
    expect(lines[4]).toMatch(/^✗ linux\/arm64 download nginx 2\.00 kB \d+ ms$/);
  });

  it("plain: one line for many tasks alike, but a line for each that failed", () => {
    let text = "";
    const view = progressView("plain", { write: (chunk: string) => (text += chunk) }, false);
    const group = "download packages (amd64)";
    for (const id of ["a", "b", "c", "d"]) {
      view.progress({ kind: "start", id, label: `download ${id}`, totalBytes: 1000, group });
      view.progress({ kind: "bytes", id, bytes: 500 });
      view.progress({ kind: "bytes", id, bytes: 1000 });
    }
    view.progress({ kind: "done", id: "a", outcome: "done" });
    view.progress({ kind: "done", id: "b", outcome: "failed" });
    view.progress({ kind: "done", id: "c", outcome: "done" });
    view.progress({ kind: "start", id: "step", label: "carve" });
    view.progress({ kind: "done", id: "d", outcome: "cancelled" });
    view.progress({ kind: "done", id: "step", outcome: "done" });
    view.stop();
    expect(text).toMatch(
      /^✗ download b 1\.00 kB \d+ ms\n✓ download packages \(amd64\): 2 4\.00 kB \d+ ms\n✓ carve \d+ ms\n$/,
    );
  });

  it("plain: numbers the steps of a Dockerfile as BuildKit does, and what they print", () => {
    let text = "";
    const view = progressView("plain", { write: (chunk: string) => (text += chunk) }, false);
    view.progress({ kind: "start", id: "a", label: "[made 1/2] RUN make" });
    view.progress({ kind: "start", id: "b", label: "[2/2] COPY . ." });
    view.progress({ kind: "done", id: "b", outcome: "cached" });
    view.progress({ kind: "log", id: "a", line: "made\u001b[2J", stream: "stdout" });
    view.progress({ kind: "done", id: "a", outcome: "done" });
    view.progress({ kind: "start", id: "c", label: "[3/3] RUN false" });
    view.progress({ kind: "done", id: "c", outcome: "failed" });
    view.stop();
    expect(text.replace(/\d+ ms/, "N ms").replace(/\d\.\d\d/, "N")).toBe(
      [
        ...["#1 [made 1/2] RUN make", "#2 [2/2] COPY . .", "#2 CACHED", "#1 N made\\x1b[2J", "#1 DONE N ms"],
        ...["#3 [3/3] RUN false", "#3 ERROR", ""],
      ].join("\n"),
    );
  });

  it("tty: never wider than the terminal, and nothing is written where nothing changed", async () => {
    const written: string[] = [];
    const output = { isTTY: true, columns: 30, write: (chunk: string) => written.push(chunk) };
    const view = progressView("tty", output, false);
    view.progress({ kind: "start", id: "1", label: "é".repeat(100) });
    await new Promise((resolve) => setTimeout(resolve, 350));
    view.stop();
    expect(written).toEqual([`• ${"é".repeat(27)}\n`, "\u001b[1A\u001b[0J"]);
  });

  it("auto: plain without a terminal", () => {
    expect(shown("auto", false)).toContain("= carve cached\n");
  });

  it("quiet: warnings only, without advice on how things are written", () => {
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
