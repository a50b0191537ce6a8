//! Any bytes as a configuration: values or faults with their lines, whatever they are.

mod yaml;
