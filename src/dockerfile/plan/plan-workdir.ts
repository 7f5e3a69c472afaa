import { workdirStep } from "../../build/index.ts";
import type { Instruction } from "../instruction.ts";
import { normalized, slashedPath } from "./paths.ts";
import { slashed } from "./plan-copy.ts";
import { requireAccounts } from "./require-accounts.ts";
import { addLayer, commit, type StageState, stepLabel } from "./stage-state.ts";

/** WORKDIR: the directory is made where it is missing. */
export function planWorkdir(
  state: StageState,
  instruction: Extract<Instruction, { kind: "workdir" }>,
  path: string,
  epoch: number | undefined,
): void {
  setWorkingDirectory(state, path);
  const label = stepLabel(state, `WORKDIR ${path}`);
  const shown = slashed(state);
  const directory = normalized("/", shown, "no slash");
  if (directory !== "/") {
    const owner = state.config.User;
    requireAccounts(instruction, owner, state.tree);
    const step = workdirStep(
      state.tree,
      { path: directory, mtime: epoch ?? 0, ...(owner === undefined || owner === "" ? {} : { owner }) },
      epoch === undefined ? {} : { epoch },
      label,
    );
    addLayer(state, step);
  }
  commit(state, `WORKDIR ${shown}`, directory === "/" ? "no layer" : "layer");
}

/** Sets the working directory: an absolute one as it is written, as in BuildKit; a relative one made absolute. */
export function setWorkingDirectory(state: StageState, path: string): void {
  const { os } = state.platform;
  const separator = os === "windows" ? "\\" : "/";
  const wanted = slashedPath(os, path);
  const present = (state.config.WorkingDir ?? "/").replaceAll(separator, "/");
  const made = wanted.startsWith("/") ? wanted : normalized(present, wanted, "no slash");
  state.config.WorkingDir = made.replaceAll("/", separator);
}
