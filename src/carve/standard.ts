import { certificatesEvidence } from "./certificates.ts";
import { elfEvidence } from "./elf.ts";
import { libcEvidence } from "./elf-libc.ts";
import { loaderConfigurationEvidence } from "./loader-configuration.ts";
import type { Evidence } from "./need.ts";
import { nginxEvidence } from "./nginx.ts";
import { ownersEvidence } from "./owners.ts";
import { packageFilesEvidence } from "./package-files.ts";
import { scriptEvidence } from "./script.ts";

/** All collectors, in the order in which they are asked. */
export function standardEvidence(): Evidence[] {
  return [
    elfEvidence(),
    libcEvidence(),
    scriptEvidence(),
    nginxEvidence(),
    loaderConfigurationEvidence(),
    certificatesEvidence(),
    ownersEvidence(),
    packageFilesEvidence(),
  ];
}
