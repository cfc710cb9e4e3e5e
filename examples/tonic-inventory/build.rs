//! Generates the types of the service from its `.proto` file.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/inventory.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
