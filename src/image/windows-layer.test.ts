import { describe, expect, it } from "vitest";
import { bytesContent } from "../io/index.ts";
import { attributes } from "../tree/index.ts";
import { windowsDetails, windowsEntries } from "./windows-layer.ts";

const file = { type: "file", content: bytesContent("x"), ...attributes(0o644, { mtime: 1.5 }) } as const;
const directory = { type: "directory", ...attributes(0o755, { mtime: 7 }) } as const;

// The descriptors are those that BuildKit writes (util/winlayers/differ.go), from the same words in SDDL.
describe("layers of Windows images", () => {
  it("describe files as BuildKit does", () => {
    expect(windowsDetails(file, "/Files/a", false)).toEqual({
      mode: 0o100000,
      records: [
        ["MSWINDOWS.fileattr", "32"],
        [
          "MSWINDOWS.rawsd",
          "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAA==",
        ],
        ["LIBARCHIVE.creationtime", "1.500000000"],
      ],
    });
  });

  it("describe directories as BuildKit does, but not the places themselves", () => {
    const { records } = windowsDetails(directory, "/Files/d", false);
    expect(new Map(records).get("MSWINDOWS.rawsd")).toBe(
      "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8AAQIAAAAAAAUgAAAAIAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA",
    );
    expect(windowsDetails(directory, "/Files", false).records.map(([name]) => name)).toEqual([
      "MSWINDOWS.fileattr",
      "LIBARCHIVE.creationtime",
    ]);
  });

  it("say nothing of the type of links", () => {
    expect(windowsDetails(file, "/Files/a", true)).toEqual({
      mode: 0,
      records: [["LIBARCHIVE.creationtime", "1.500000000"]],
    });
  });

  it("have the files in one place and the other one beside it", () => {
    expect(windowsEntries([["/a", file]], 0).map(([path]) => path)).toEqual(["/Files", "/Files/a", "/Hives"]);
  });
});
