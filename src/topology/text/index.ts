/** What the text and XML readers share: decoding, lines, class names, bounded XML. Read `decode-text.ts` first. */
export * from './cpu-names.ts';
export * from './decode-text.ts';
export * from './disk-names.ts';
export * from './pci-class.ts';
export * from './xml.ts';
