use heddle_scheduler::*;
fn main(){ let s = Scheduler::builder().workers(1).build().unwrap();
 match std::env::args().nth(1).as_deref() { Some("y") => s.run(|| { let h = go(|| for _ in 0..50_000_000 { yield_now() }); for _ in 0..50_000_000 { yield_now() } h.join().unwrap(); }),
 Some("s") => s.run(|| for _ in 0..300 { let hs: Vec<_> = (0..100_000u64).map(|i| go(move || i)).collect(); let mut x=0; for h in hs { x+=h.join().unwrap(); } assert!(x>0);}),
 Some("k") => { fn sky(n: usize, d: u32) -> usize { if d == 0 { n } else { let hs: Vec<_> = (0..10).map(|i| go(move || sky(n*10+i, d-1))).collect(); hs.into_iter().map(|h| h.join().unwrap()).sum() } } for _ in 0..30 { s.run(|| sky(0,6)); } }
 _ => s.run(|| for i in 0..20_000_000 { go(move || i).join().unwrap(); }) } }
