import { useEffect } from 'react';
import { texts } from '../texts';

export function useTitle(name: string): void {
  useEffect(() => {
    document.title = name ? texts.titles.page(name) : texts.brand;
  }, [name]);
}
