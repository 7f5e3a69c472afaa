import { assembleStep, layerStep, recompressStep, type Step } from "../../build/index.ts";
import { formatPlatform, type Platform } from "../../image/index.ts";
import type { ImageForm, PlanOptions } from "./options.ts";
import type { StageState } from "./stage-state.ts";

/** The image of a finished stage in one of its forms. */
export function finishedImage(state: StageState, form: ImageForm, options: PlanOptions): Step {
  const { platform: asked, epoch } = options;
  const shown = formatPlatform(asked);
  const platform = platformOf(state, asked);
  const listedAs =
    options.showPlatform === true && formatPlatform(platform) !== shown ? { listedAs: asked } : {};
  const labels = { ...state.config.Labels, ...options.labels };
  const config = Object.keys(labels).length === 0 ? state.config : { ...state.config, Labels: labels };
  const { compression, force, docker, rewriteTimestamp } = form;
  const annotations = { ...form.annotations, ...form.platformAnnotations?.get(shown) };
  // On top of Windows' own layers, layers are as Windows has them; BuildKit writes others plainly.
  const isWindows = platform.os === "windows" && (form.windowsLayers ?? state.baseLayers.length > 0);
  const written = {
    ...(rewriteTimestamp === true && epoch !== undefined ? { newest: epoch } : {}),
    ...(isWindows ? { windows: { mtime: epoch ?? 0 } } : {}),
  };
  const recompressed =
    force === true ? state.baseLayers.map((layer) => recompressStep(layer, compression)) : [];
  const own = state.layers.map((step, index) =>
    layerStep(
      step,
      `${state.name || "the image"}, ${index + 1} of ${state.layers.length}`,
      compression,
      shown,
      written,
    ),
  );
  return assembleStep(
    [...recompressed, ...own],
    {
      platform,
      ...listedAs,
      config: withoutEmpty(config),
      history: state.history,
      ...(state.author === undefined ? {} : { author: state.author }),
      ...(epoch === undefined ? {} : { created: new Date(epoch * 1000).toISOString().replace(".000Z", "Z") }),
      base: force === true ? [] : state.baseLayers,
      ...(docker === true ? { docker } : {}),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    shown,
  );
}

/** What an image says that it is for: as in BuildKit, what its base says, whatever was asked for. */
function platformOf({ basePlatform }: StageState, asked: Platform): Platform {
  if (basePlatform === undefined) return asked;
  const { os, architecture, variant } = basePlatform;
  const { "os.version": version, "os.features": features } = basePlatform;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { "os.version": version }),
    ...(features === undefined ? {} : { "os.features": features }),
  };
}

/** Members that hold nothing are left out, as in Docker's own documents. */
function withoutEmpty<T extends object>(config: T): T {
  const entries = Object.entries(config).filter(([, value]) => {
    if (value === undefined || value === null || value === "" || value === false) return false;
    return typeof value !== "object" || Object.keys(value as object).length > 0;
  });
  return Object.fromEntries(entries) as T;
}
