/* SPDX-License-Identifier: MIT */
/*
 * The MESSAGE_ID of each kind of record, as rows: define MESSAGE_ID(kind, id) and include this file; it may
 * be included more than once. Each id was drawn once at random and is for good: people filter and alert by
 * it. systemd/driftd.catalog explains the same ids to them (journalctl -x); `make check-catalog` compares the
 * two.
 */
MESSAGE_ID(start, "ab49d4864143c1e822a2611f5efc93e0")
MESSAGE_ID(stop, "4304f30431887aed7c1be649232a6261")
MESSAGE_ID(heartbeat, "4dede879539482b4e2126f2e6b65aeec")
MESSAGE_ID(gap, "1798b759dc93863523813d788efa341b")
MESSAGE_ID(scan, "b1545617d121133a8bae41a8cf3412b7")
MESSAGE_ID(drift, "0c65fcc801a8c0717efff821c44f6ec3")
MESSAGE_ID(resolved, "8a0ddedb2b374f191c06896826a9622f")
MESSAGE_ID(bless, "434e27d07b46045b376977816aafd7e1")
MESSAGE_ID(reject, "186876f994e439783f6aab37a0d701a1")
MESSAGE_ID(ack, "f9145c031a239c18badea966a446c6a0")
MESSAGE_ID(waive, "5e4734f922797b20962e6be9e08ff53c")
MESSAGE_ID(window, "7d26146472c50c8b7a2b3cd300591cfe")
MESSAGE_ID(overflow, "748db774ba8a04f0e0db82d4df04889c")
MESSAGE_ID(watch_lost, "ff7ae6d857d82dda3301182814bd9e80")
MESSAGE_ID(unstable, "10a3b35da044158c73481f25d52fc1f8")
MESSAGE_ID(unreadable, "4d0fef21796825194f617c4c5a6c304b")
MESSAGE_ID(mount, "59051932f56473d62888f3c71187ad3c")
MESSAGE_ID(hidden, "dda5c1499bf93dd0676d9a8bd65f43b9")
MESSAGE_ID(clock_jump, "3a0118d47fc91297bcc2bde4225e2da8")
MESSAGE_ID(reload, "e066db09d86795859a2480c6d6cc6521")
MESSAGE_ID(trust, "3bd9f2b6e38198b2c4536e7b1d8d5f10")
MESSAGE_ID(adopted, "cb3a7bf68a12a2b9334a7053aa44d53e")
MESSAGE_ID(storage, "1e6a984c78f7d48d316d50ce69bc81e3")
MESSAGE_ID(tamper, "6f60a6dc180d25d36cadf775a82b6705")
MESSAGE_ID(transaction, "ec1d6e79c473438b98b6c8d0655ae230")
MESSAGE_ID(checkpoint, "94aad62f1c2c49c7b47dfce9ce0ec2c8")
MESSAGE_ID(review, "747be6ac1d2bd8a256183c77d538069d")
MESSAGE_ID(flapping, "ca33b51aa19788607cc87bb092022827")
#undef MESSAGE_ID
