/**
 * From a requester and an address to where the request ends, hop by hop, by what stands in config space.
 *
 * `function-state.ts` decodes registers, `acs.ts` decides, `climb.ts` goes up, `root-complex.ts` turns, `descend.ts` goes
 * down, `completion.ts` comes back, `resolve.ts` puts them together. Knows nothing of `p2pdma`, which predicts the same by
 * its own code.
 */
export { ADDRESS_TYPE, type AddressType } from './acs.ts';
export type { BarTarget, Fault, Fault as FabricFault } from './completer.ts';
export {
  type Failure,
  type FailureCode,
  type RequestShape,
  ROUTE_KIND,
  Route,
  type RouteKind,
  type RouteParts,
} from './route.ts';
export type { Translation, Translator } from './translator.ts';
