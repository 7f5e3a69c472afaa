import { describe, expect, it } from "vitest";
import { PrintedLines } from "./printed-lines.ts";

function output(secrets: readonly string[] = []): { out: PrintedLines; told: string[] } {
  const told: string[] = [];
  const bytes = secrets.map((secret) => Buffer.from(secret));
  return { told, out: new PrintedLines(bytes, (line, stream) => told.push(`${stream} ${line}`)) };
}

describe("what a step prints", () => {
  it("is told line by line, each stream for itself", () => {
    const { out, told } = output();
    out.take(Buffer.from("one\ntw"), "stdout");
    out.take(Buffer.from("err"), "stderr");
    out.take(Buffer.from("o\n"), "stdout");
    expect(told).toEqual(["stdout one", "stdout two"]);
    out.end();
    expect(told).toEqual(["stdout one", "stdout two", "stderr err"]);
  });

  it("may be cut within a character", () => {
    const { out, told } = output();
    const bytes = Buffer.from("naïve\n");
    out.take(bytes.subarray(0, 3), "stdout");
    out.take(bytes.subarray(3), "stdout");
    expect(told).toEqual(["stdout naïve"]);
  });

  it("is kept as far as its last twenty lines", () => {
    const { out } = output();
    for (let line = 0; line < 50; line++)
      out.take(Buffer.from(`${line}\n`), line % 2 === 0 ? "stdout" : "stderr");
    expect(out.last).toEqual(Array.from({ length: 20 }, (_, index) => String(index + 30)));
  });

  it("has no values of secrets, in lines, in the last lines, nor in words about it", () => {
    const { out, told } = output(["hunter22\n", "first line\nlast line\n"]);
    for (const part of ["a hun", "ter22\nfirst", " line\nlast line\n", "hunter22"])
      out.take(Buffer.from(part), "stdout");
    out.end();
    expect(told).toEqual(["stdout a ***", "stdout ***", "stdout ***"]);
    expect(out.last).toEqual(["a ***", "***", "***"]);
    expect(out.hide("exec hunter22: not found")).toBe("exec ***: not found");
  });
});
