import { useEffect } from 'react';
import { texts } from '../texts';

export function useDocumentTitle(name: string): void {
  useEffect(() => {
    document.title = name ? texts.titles.page(name) : texts.brand;
  }, [name]);
}
