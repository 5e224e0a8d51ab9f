//! What can be connected to: addresses, and names that have some.

use super::lookup;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// As [`std::net::ToSocketAddrs`], for the same types. Names are [looked up](lookup) on a thread of the pool, so that they
/// suspend the fiber; what is an address already is ready at once.
///
/// ```
/// use heddle_scheduler::io::net::ToSocketAddrs;
/// assert_eq!(("127.0.0.1", 80).to_socket_addrs()?, ["127.0.0.1:80".parse().unwrap()]);
/// assert_eq!("[::1]:80".to_socket_addrs()?, ["[::1]:80".parse().unwrap()]);
/// assert!("a-name-without-a-port".to_socket_addrs().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they should be tried.
    ///
    /// # Errors
    /// There is no such name, nobody knows, or it is no name with a port.
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>>;
}

/// Types of which each value is one address.
macro_rules! addresses {
    ($($type:ty),*) => {
        $(
            impl ToSocketAddrs for $type {
                fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
                    Ok(vec![SocketAddr::from(*self)])
                }
            }
        )*
    };
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for [SocketAddr] {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> ToSocketAddrs for [SocketAddr; N] {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        lookup(self.0, self.1)
    }
}

impl ToSocketAddrs for (String, u16) {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        lookup(&self.0, self.1)
    }
}

impl ToSocketAddrs for str {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address]);
        }
        let parts = self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = parts else {
            let message =
                format!("{self:?} is neither an address nor a name with a port, such as localhost:80");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        lookup(host, port)
    }
}

impl ToSocketAddrs for String {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }
}

impl<A: ToSocketAddrs + ?Sized> ToSocketAddrs for &A {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_socket_addrs()
    }
}
