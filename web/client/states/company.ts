/** Replaces src/talk/company.ts: the people in the room stay the same. */
import { chosenState } from './states';

export function useCompany(): string[] {
  return chosenState?.talk?.company ?? [];
}
