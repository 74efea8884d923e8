import{c as i}from"./assets/client-BZzs-JGk.js";import"./assets/details-CDAWOWA_.js";export{i as createLiveClient};
