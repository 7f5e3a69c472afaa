import { workdirStep } from "../../build/index.ts";
import { normalized } from "./paths.ts";
import { slashed } from "./plan-copy.ts";
import { addLayer, commit, type StageState, stepLabel } from "./stage-state.ts";

/** WORKDIR: the directory is made where it is missing. */
export function planWorkdir(state: StageState, path: string, mtime: number): void {
  setWorkingDirectory(state, path);
  const label = stepLabel(state, `WORKDIR ${path}`);
  const directory = slashed(state);
  if (directory !== "/") {
    const owner = state.config.User;
    const step = workdirStep(
      state.tree,
      { path: directory, mtime, ...(owner === undefined || owner === "" ? {} : { owner }) },
      label,
    );
    addLayer(state, step);
  }
  commit(state, `WORKDIR ${directory}`, directory === "/" ? "no layer" : "layer");
}

/** Brings the working directory into the usual form. */
export function setWorkingDirectory(state: StageState, path: string): void {
  const separator = state.platform.os === "windows" ? "\\" : "/";
  // Behind a relative path a slash means nothing; behind an absolute one it stays, as in BuildKit.
  const slash = path.startsWith("/") ? "keep slash" : "no slash";
  const made = normalized((state.config.WorkingDir ?? "/").replaceAll(separator, "/"), path, slash);
  state.config.WorkingDir = made.replaceAll("/", separator);
}
