import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon';

export function Note({ icon, children }: { icon: IconName; children: ReactNode }) {
  return (
    <p className="note">
      <Icon name={icon} />
      <span>{children}</span>
    </p>
  );
}
