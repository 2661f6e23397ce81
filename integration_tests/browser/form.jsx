// The connector's specification as a form, by @rjsf/core. What Airbyte's form does with a
// specification beyond plain JSON schema is done here the same way: fields stand in their `order`,
// the constant that tells options apart is not shown, descriptions may hold simple HTML, examples
// are shown, and a text that misses its `pattern` is explained by `pattern_descriptor`.
// https://docs.airbyte.com/platform/connector-development/connector-specification-reference

import Form from "@rjsf/core";
import { customizeValidator } from "@rjsf/validator-ajv8";
import { createRoot } from "react-dom/client";

// Else what is missing at one place is not told if a field of that title is missing at another.
const validator = customizeValidator({ suppressDuplicateFiltering: "all" });

const options = (schema) => schema.oneOf ?? schema.anyOf ?? [];

function layout(schema) {
  const properties = Object.entries(schema.properties ?? {});
  const orders = properties
    .map(([name, field]) => [name, field.order ?? Number.MAX_SAFE_INTEGER])
    .sort((a, b) => a[1] - b[1])
    .map(([name]) => name);
  const ui = { "ui:options": { expandable: false } };
  if (orders.length) ui["ui:order"] = [...orders, "*"];
  for (const [name, field] of properties) {
    ui[name] = "const" in field ? { "ui:widget": "hidden" } : layout(field);
  }
  if (options(schema).length) ui.oneOf = options(schema).map(layout);
  if (schema.items) ui.items = layout(schema.items);
  return ui;
}

function at(schema, path) {
  const [name, ...rest] = path;
  if (name === undefined) return schema;
  const field = schema.items ?? schema.properties?.[name];
  const found = field && at(field, rest);
  return found ?? options(schema).map((option) => at(option, path)).find(Boolean);
}

const path = (error) => error.property.split(".").filter(Boolean);

function explain(schema) {
  return (errors) =>
    errors
      // Which branch of a choice failed is told by the fields of the branch.
      .filter((error) => !["oneOf", "anyOf", "const"].includes(error.name))
      .map((error) => {
        const field = at(schema, path(error));
        if (error.name === "pattern" && field?.pattern_descriptor) {
          error.message = `The value must match: ${field.pattern_descriptor}`;
        } else if (error.name === "required") {
          error.message = "Required";
        }
        return error;
      });
}

function Description({ id, description }) {
  return description ? <p id={id} dangerouslySetInnerHTML={{ __html: description }} /> : null;
}

function Field({ id, label, hidden, required, displayLabel, children, rawErrors, schema, rawDescription }) {
  if (hidden) return <div hidden>{children}</div>;
  if (options(schema).length) {
    return (
      <div className="choice" role="group" aria-labelledby={`${id}__choice`}>
        <h2 id={`${id}__choice`}>{label}</h2>
        <Description description={rawDescription} />
        {children}
      </div>
    );
  }
  if (!displayLabel) return <div>{children}</div>;
  const examples = schema.examples ?? [];
  return (
    <div className={rawErrors?.length ? "field wrong" : "field"}>
      <label htmlFor={id}>
        {label}
        {required ? null : <small> Optional</small>}
      </label>
      <Description id={`${id}__description`} description={rawDescription} />
      {children}
      {examples.length ? <p className="examples">For example: {examples.map((one) => <code key={one}>{String(one)}</code>)}</p> : null}
      {rawErrors?.map((error) => <p role="alert" key={error}>{error}</p>)}
    </div>
  );
}

// A list of objects: one after another, each with a button that takes it away.
function List({ title, schema, items, canAdd, onAddClick, rawErrors }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <Description description={schema.description} />
      {items}
      {rawErrors?.map((error) => <p role="alert" key={error}>{error}</p>)}
      {canAdd ? <button type="button" onClick={onAddClick}>Add {schema.items.title}</button> : null}
    </section>
  );
}

function Item({ index, schema, children, buttonsProps }) {
  return (
    <div className="item" role="group" aria-label={`${schema.title} ${index + 1}`}>
      {children}
      <button type="button" onClick={buttonsProps.onRemoveItem}>Remove {schema.title} {index + 1}</button>
    </div>
  );
}

function show(specification, initial) {
  const schema = specification.connectionSpecification;
  const result = document.querySelector("#result");
  createRoot(document.querySelector("#form")).render(
    <Form
      schema={schema}
      uiSchema={{ ...layout(schema), "ui:submitButtonOptions": { submitText: "Set up destination" } }}
      formData={initial}
      validator={validator}
      noHtml5Validate
      showErrorList={false}
      transformErrors={explain(schema)}
      experimental_defaultFormStateBehavior={{ constAsDefaults: "always" }}
      templates={{ FieldTemplate: Field, DescriptionFieldTemplate: Description, ArrayFieldTemplate: List, ArrayFieldItemTemplate: Item }}
      onSubmit={({ formData }) => (result.textContent = JSON.stringify(formData))}
      onError={() => (result.textContent = "")}
    />,
  );
}

show(JSON.parse(document.querySelector("#specification").textContent));
