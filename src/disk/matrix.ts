import { architectures, type ArchitectureName, type DiskFormat } from '#arch/index.ts'

/** Where bootc-image-builder leaves each format below its output directory: fixed by the tool, not by us. */
export const outputPaths: Readonly<Record<DiskFormat, string>> = {
  qcow2: 'qcow2/disk.qcow2',
  raw: 'image/disk.raw',
}

/** The tool has no such matrix: it makes unusable images without a word, so we own it. */
export function makes(arch: ArchitectureName, format: DiskFormat): boolean {
  return architectures[arch].diskFormats.includes(format)
}

/** Each format once, qcow2 before raw: the first `--type` names the files of all the others. */
export function inToolOrder(formats: readonly DiskFormat[]): DiskFormat[] {
  return (['qcow2', 'raw'] as const).filter((format) => formats.includes(format))
}

/** The name of the manifest that the tool writes beside the images. */
export function manifestName(formats: readonly DiskFormat[]): string {
  return `manifest-${inToolOrder(formats).join('-')}.json`
}
