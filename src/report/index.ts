/**
 * Output formats, as text and bytes: charts (SVG), tables (CSV), traces for the Perfetto UI, captures for Wireshark.
 *
 * Leaves out on purpose: what is worth showing, and files. Values come in as plain numbers with their unit, bytes go out through
 * a function of the caller; the same input gives the same bytes. Read `svg-chart.ts` for charts, `perfetto.ts` for traces,
 * `tlp-capture.ts` for captures (the format is docs/pcap.md, its dissector share/wireshark/peerlane-tlp.lua).
 */
export { csvLine, csvText } from './csv.ts';
export { LINKTYPE_ETHERNET, LINKTYPE_USER0, type PcapngOptions, PcapngWriter } from './pcapng.ts';
export {
  PerfettoTrace,
  type SliceArgument,
  type SliceOptions,
  type TrackId,
} from './perfetto.ts';
export { formatQuantity, prefixFor, type Quantity, quantityOfMetric, type SiPrefix } from './quantity.ts';
export { type Chart, type ChartAxis, type ChartSeries, renderChart } from './svg-chart.ts';
export { encodeTlpHeader, TLP_TYPE, type TlpFields, type TlpType, tlpHeaderBytes } from './tlp-bytes.ts';
export {
  type CapturedTlp,
  DLL_SEQUENCE_UNKNOWN,
  LINK_DIRECTION,
  type LinkDescription,
  type LinkDirection,
  TlpCapture,
} from './tlp-capture.ts';
