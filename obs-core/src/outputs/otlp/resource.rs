//! The resource of exported items: service, host, process, container, and the names in Kubernetes.

use std::{borrow::Cow, env, fs};

use super::{envelope::Attribute, export::pairs};
use crate::{
    base::{environment::Environment, value::Value},
    record::service::Service,
};

/// Attributes of Kubernetes, and the variables in which a manifest passes them from the downward
/// API.
const KUBERNETES: [(&str, [&str; 2]); 7] = [
    ("k8s.pod.name", ["K8S_POD_NAME", "POD_NAME"]),
    ("k8s.pod.uid", ["K8S_POD_UID", "POD_UID"]),
    ("k8s.namespace.name", ["K8S_NAMESPACE_NAME", "POD_NAMESPACE"]),
    ("k8s.node.name", ["K8S_NODE_NAME", "NODE_NAME"]),
    ("k8s.deployment.name", ["K8S_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"]),
    ("k8s.container.name", ["K8S_CONTAINER_NAME", "CONTAINER_NAME"]),
    ("k8s.cluster.name", ["K8S_CLUSTER_NAME", "CLUSTER_NAME"]),
];

/// The file that contains the namespace of a pod.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Returns the resource of `service`. Attributes from code or the environment replace detected
/// ones.
pub(crate) fn detect(
    service: &Service,
    environment: &Environment,
    named: impl IntoIterator<Item = (String, String)>,
) -> Vec<Attribute> {
    let mut all = Vec::new();
    // A later attribute replaces an earlier one of the same name.
    let mut add = |name: Cow<'static, str>, value: Value| {
        all.retain(|(other, _): &Attribute| *other != name);
        all.push((name, value));
    };
    add("telemetry.distro.name".into(), Value::Str("obs".into()));
    add("telemetry.distro.version".into(), Value::Str(env!("CARGO_PKG_VERSION").into()));
    add("os.type".into(), Value::Str(env::consts::OS.into()));
    add("host.arch".into(), Value::Str(architecture().into()));
    add("process.pid".into(), Value::I64(std::process::id().into()));
    for (name, value) in found(environment) {
        add(name.into(), value.into());
    }
    for (name, value) in named {
        add(name.into(), value.into());
    }
    add("service.name".into(), service.name.to_string().into());
    add("service.instance.id".into(), service.instance.clone().into());
    if let Some(version) = &service.version {
        add("service.version".into(), version.clone().into());
    }
    if let Some(environment) = &service.environment {
        add("deployment.environment.name".into(), environment.clone().into());
    }
    all
}

/// Returns the detected names of the host, the executable, the container and the pod.
fn found(environment: &Environment) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| {
        all.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    add("host.name", host_name(environment));
    add("process.executable.name", executable());
    add("container.id", container_id());
    if environment.is_read() {
        let variable = |name: &str| environment.get(name);
        let in_a_pod = variable("KUBERNETES_SERVICE_HOST").is_some();
        if in_a_pod {
            add("k8s.namespace.name", read(NAMESPACE));
            // The host name in a pod is the pod's name, unless a variable sets another one.
            add("k8s.pod.name", host_name(environment));
        }
        for (name, [own, general]) in KUBERNETES {
            // Outside a pod, the general names of variables may have another meaning.
            add(name, variable(own).or_else(|| variable(general).filter(|_| in_a_pod)));
        }
    }
    all
}

/// Returns the attributes in `OTEL_RESOURCE_ATTRIBUTES`, except those that describe the service.
pub(crate) fn parse_list(list: &str) -> impl Iterator<Item = (String, String)> {
    const SERVICE: [&str; 5] = [
        "service.name",
        "service.version",
        "service.instance.id",
        "deployment.environment.name",
        "deployment.environment",
    ];
    pairs(list).flatten().filter(|(name, _)| !SERVICE.contains(&name.as_str()))
}

/// Returns OpenTelemetry's name of the processor's architecture.
const fn architecture() -> &'static str {
    match env::consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        b"arm" => "arm32",
        b"powerpc64" => "ppc64",
        _ => env::consts::ARCH,
    }
}

fn host_name(environment: &Environment) -> Option<String> {
    let from_environment =
        || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|variable| environment.get(variable));
    read("/proc/sys/kernel/hostname").or_else(from_environment)
}

fn executable() -> Option<String> {
    Some(env::current_exe().ok()?.file_name()?.to_str()?.to_owned())
}

/// Returns the id of this process's container, which has 64 hexadecimal digits. It is in the name
/// of the control group, or, with version 2 of control groups, in the path from which
/// `/etc/hostname` is mounted.
fn container_id() -> Option<String> {
    let of_group = read("/proc/self/cgroup").and_then(|groups| groups.lines().find_map(digits));
    of_group.or_else(|| {
        let mounts = read("/proc/self/mountinfo")?;
        mounts.lines().filter(|line| line.contains("/hostname")).find_map(digits)
    })
}

/// Returns the first run of exactly 64 hexadecimal digits.
fn digits(line: &str) -> Option<String> {
    let runs = line.split(|c: char| !c.is_ascii_hexdigit());
    runs.filter(|run| run.len() == 64).map(str::to_owned).next()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_are_read_from_both_versions_of_control_groups() {
        let id = "0123456789abcdef".repeat(4);
        for line in [
            format!("12:memory:/docker/{id}"),
            format!("0::/kubepods.slice/cri-containerd-{id}.scope"),
            format!(
                "983 961 0:79 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
            ),
        ] {
            assert_eq!(digits(&line).as_deref(), Some(&*id), "{line}");
        }
        assert_eq!(digits("0::/user.slice"), None);
        assert_eq!(digits(&format!("/{id}0/")), None);
    }

    #[test]
    fn configured_attributes_take_precedence() {
        let mut service = Service::new("shop".to_owned());
        service.version = Some("1.2".to_owned());
        let named = [("host.name", "box-7"), ("cloud.region", "eu-1"), ("service.name", "other")];
        let named = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let resource = detect(&service, &Environment::none(), named);
        let value = |name: &str| {
            let mut values = resource.iter().filter(|(other, _)| *other == name);
            let value = values.next().map(|(_, value)| match value {
                Value::Str(text) => text.to_string(),
                other => format!("{other:?}"),
            });
            assert!(values.next().is_none(), "{name} once");
            value
        };
        assert_eq!(value("service.name").as_deref(), Some("shop"));
        assert_eq!(value("service.version").as_deref(), Some("1.2"));
        assert_eq!(value("service.instance.id"), Some(service.instance.clone()));
        assert_eq!(value("host.name").as_deref(), Some("box-7"));
        assert_eq!(value("cloud.region").as_deref(), Some("eu-1"));
        assert!(value("process.pid").is_some());
    }
}
