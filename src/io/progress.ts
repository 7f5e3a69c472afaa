/**
 * What the program is doing, as events. Lower floors emit them and never print; the faces decide what a person
 * sees. `id` ties the events of one task together.
 */
export type ProgressEvent =
  | {
      readonly kind: "start";
      readonly id: string;
      /** One line for a person: "download nginx 1.26.3-3 (amd64)". */
      readonly label: string;
      /** Tasks of one platform are shown together. */
      readonly platform?: string;
      readonly totalBytes?: number;
      /** What many tasks alike are together, where faces may show them as one: "download packages (amd64)". */
      readonly group?: string;
    }
  | { readonly kind: "bytes"; readonly id: string; readonly bytes: number; readonly totalBytes?: number }
  | { readonly kind: "log"; readonly id: string; readonly line: string; readonly stream: "stdout" | "stderr" }
  | {
      readonly kind: "done";
      readonly id: string;
      /** `cached`: nothing had to be done. */
      readonly outcome: "done" | "cached" | "failed" | "cancelled";
      readonly detail?: string;
    }
  | {
      readonly kind: "warning";
      readonly text: string;
      /** It is about how something is written; nothing went wrong. */
      readonly advice?: true;
    };

/** Receives progress; must not throw and must be cheap. */
export type Progress = (event: ProgressEvent) => void;

/** Progress that nobody looks at. */
export const noProgress: Progress = () => undefined;

/** What almost every long-running function takes: how to report, and how to be told to stop. */
export interface Work {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Work without an audience that nobody interrupts; for tests and small library calls. */
export const quietWork: Work = { progress: noProgress, signal: new AbortController().signal };
