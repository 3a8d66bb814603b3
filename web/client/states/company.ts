/** Replaces src/talk/company.ts: the people in the room stay the same. */
import type { Person } from '../src/talk/company';
import { chosenState } from './states';

export type { Person };

export function useCompany(): Person[] {
  return (chosenState?.talk?.company ?? []).map((name) => ({ identity: name, name }));
}
