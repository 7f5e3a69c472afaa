declare module "seek-bzip" {
  interface Input {
    readByte(): number;
    read(buffer: Uint8Array, offset: number, length: number): number;
    eof(): boolean;
  }
  interface Output {
    writeByte(byte: number): void;
  }
  const bunzip: { decode(input: Input, output: Output, multistream: boolean): void };
  // biome-ignore lint/style/noDefaultExport: this is how a CommonJS module looks from here
  export default bunzip;
}
