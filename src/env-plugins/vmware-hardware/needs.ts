/** What VMware's virtual hardware had when, the same in all products. */

/** The least version of the virtual hardware for each. 13 is of ESXi 6.5 alone; Workstation went from 12 to 14. */
export const needs = {
  pcie: 7,
  lsisas1068: 7,
  pvscsi: 7,
  vmxnet3: 7,
  e1000e: 8,
  uefi: 8,
  sata: 10,
  secureBoot: 13,
  nvme: 13,
};
